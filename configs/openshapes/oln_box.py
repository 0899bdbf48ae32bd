# OLN-Box on the seen shapes: the network of the baseline, by localization quality.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/models/oln.py']

model = _base_.oln
model.type = 'FasterRCNN'
model.roi_head.update(mask_roi_extractor=None, mask_head=None)
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

val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
