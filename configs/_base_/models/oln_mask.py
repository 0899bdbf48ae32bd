# What turns a class-agnostic Mask R-CNN into OLN-Mask: OLN, and masks scored by an
# estimate of their IoU.
_base_ = './oln.py'

oln_mask = _base_.oln
oln_mask.roi_head.update(
    type='OlnMaskRoIHead',
    mask_iou_head=dict(
        type='OlnMaskIoUHead',
        num_classes=1,
        loss_iou=dict(type='MSELoss', loss_weight=0.5),
    ),
)
oln_mask.train_cfg.rcnn = dict(mask_thr_binary=0.5)
