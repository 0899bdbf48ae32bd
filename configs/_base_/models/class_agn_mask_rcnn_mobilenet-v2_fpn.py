# Class-agnostic Mask R-CNN for CPUs: MobileNetV2, and narrow necks and heads.
_base_ = ['./class_agn_mask_rcnn_r50_fpn.py', './mobilenet-v2.py']

model = dict(
    backbone=_base_.mobilenet_v2,
    neck=dict(in_channels=_base_.mobilenet_v2_channels, out_channels=96),
    rpn_head=dict(in_channels=96, feat_channels=96),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=96),
        bbox_head=dict(in_channels=96, fc_out_channels=512),
        mask_roi_extractor=dict(out_channels=96),
        mask_head=dict(num_convs=2, in_channels=96, conv_out_channels=96),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=1000, max_per_img=500),
        rcnn=dict(sampler=dict(num=128)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=500), rcnn=dict(max_per_img=300)),
)
