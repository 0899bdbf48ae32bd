# OLN-Mask on the seen shapes: the network of the baseline, by localization quality.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/models/oln_mask.py']

model = _base_.oln_mask
model.roi_head.mask_iou_head.update(
    num_convs=2, in_channels=64, conv_out_channels=64, fc_out_channels=256
)
model.train_cfg.rpn_proposal.update(nms_pre=500)
model.test_cfg.rpn.update(nms_pre=500)
# OLN learns nothing from negatives: all of the few samples are positive, and the box
# loss weighs as much as with a quarter of them.
model.train_cfg.rcnn = model.train_cfg.get('rcnn', {}) | dict(
    sampler=dict(pos_fraction=1.0)
)
model.roi_head.bbox_head.loss_bbox = dict(loss_weight=0.25)

# Normalized features are small, so a short schedule needs longer steps on them.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'rpn_head': dict(lr_mult=10)}))
