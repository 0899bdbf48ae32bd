# Baseline that knows the LVIS categories that COCO has.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/datasets/lvis_v1.py']

split = dict(train_class='lvis_coco', eval_class='lvis_noncoco')
train_dataloader = dict(dataset=_base_.lvis_train | split)
val_dataloader = dict(dataset=_base_.lvis_val | split)
test_dataloader = val_dataloader
val_evaluator = _base_.lvis_evaluator | dict(eval_class='lvis_noncoco')
test_evaluator = val_evaluator
