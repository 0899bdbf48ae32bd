# Baseline that knows all 80 classes of COCO, judged on all objects of UVO.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/datasets/uvo.py']

train_dataloader = dict(dataset=dict(train_class='all', eval_class='all'))
val_dataloader = dict(dataset=_base_.uvo_val)
test_dataloader = val_dataloader
val_evaluator = _base_.uvo_evaluator
test_evaluator = val_evaluator
