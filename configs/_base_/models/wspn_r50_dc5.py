# Weakly supervised proposal network: the pretrained features of res5, at stride 16, go
# right into the heads, since words alone hardly train a neck.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-dc5.py'

model = dict(
    type='WeaklySupervisedProposalNetwork',
    rpn_head=None,
    roi_head=dict(
        type='WeaklySupervisedRoIHead',
        bbox_head=dict(
            type='Shared2FCWSDDNHead',
            num_refinements=3,
            class_agnostic=True,
            reg_class_agnostic=True,
            loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=None,
        rpn_proposal=None,
        rcnn=dict(sampler=dict(_delete_=True, type='PseudoSampler')),
    ),
    test_cfg=dict(
        rpn=None,
        rcnn=dict(
            score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50
        ),
    ),
)
