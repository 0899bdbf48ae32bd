# OLN-Mask on the seen shapes: the network of the baseline, by localization quality.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/models/oln_mask.py']

model = _base_.oln_mask
model.roi_head.mask_iou_head.update(
    num_convs=2, in_channels=64, conv_out_channels=64, fc_out_channels=256
)
model.train_cfg.rpn_proposal.update(nms_pre=500)
model.test_cfg.rpn.update(nms_pre=500)

# Normalized features are small, so a short schedule needs longer steps on them.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'rpn_head': dict(lr_mult=10)}))
