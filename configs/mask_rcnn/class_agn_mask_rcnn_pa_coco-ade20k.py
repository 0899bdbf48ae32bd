# The detector of class_agn_mask_rcnn_pa_coco-uvo.py, judged on all objects of ADE20K.
_base_ = ['./class_agn_mask_rcnn_pa_coco-uvo.py', '../_base_/datasets/ade20k_full.py']

val_dataloader = dict(dataset=_base_.ade20k_val)
test_dataloader = val_dataloader
val_evaluator = _base_.ade20k_evaluator
test_evaluator = val_evaluator
