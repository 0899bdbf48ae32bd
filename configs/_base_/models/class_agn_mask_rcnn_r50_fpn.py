# Mask R-CNN with one class, 'object', and a proposal budget fit for average recall.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

# The same proposals in training and testing.
proposals = dict(
    nms_pre=2000,
    max_per_img=2000,
    nms=dict(type='nms', iou_threshold=0.7),
    min_bbox_size=0,
)
model = dict(
    rpn_head=dict(anchor_generator=dict(ratios=[1.0])),
    roi_head=dict(bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1)),
    train_cfg=dict(
        rpn_proposal=proposals, rcnn=dict(assigner=dict(match_low_quality=False))
    ),
    test_cfg=dict(
        rpn=proposals,
        # AR@k removes detections of seen objects first, so more than k are needed.
        rcnn=dict(
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.7),
            max_per_img=1500,
        ),
    ),
)
