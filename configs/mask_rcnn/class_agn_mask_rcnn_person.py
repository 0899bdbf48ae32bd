# Baseline that knows persons only.
_base_ = './class_agn_mask_rcnn.py'

split = dict(train_class='person', eval_class='nonperson')
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = val_dataloader
val_evaluator = dict(eval_class='nonperson')
test_evaluator = val_evaluator
