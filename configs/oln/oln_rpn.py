# OLN-RPN: the proposals of OLN-Box alone, suppressed and cut as detections.
_base_ = './oln_box.py'

model = dict(
    type='RPN',
    roi_head=None,
    train_cfg=dict(rcnn=None, rpn_proposal=None),
    test_cfg=dict(
        rpn=dict(
            _delete_=True,
            nms_pre=2000,
            max_per_img=1500,
            nms=dict(type='nms', iou_threshold=0.7),
        ),
        rcnn=None,
    ),
)
