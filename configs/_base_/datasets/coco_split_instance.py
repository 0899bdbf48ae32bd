# COCO for detectors: trained on the seen classes, judged on the unseen ones.
_base_ = 'mmdet::_base_/datasets/coco_instance.py'

dataset_type = 'CocoSplitDataset'
split = dict(
    type=dataset_type,
    is_class_agnostic=True,
    train_class='voc',
    eval_class='nonvoc',
)
train_dataloader = dict(dataset=split)
val_dataloader = dict(dataset=split)
test_dataloader = val_dataloader

val_evaluator = dict(
    type='OpenWorldCocoMetric', metric=['bbox', 'segm'], eval_class='nonvoc'
)
test_evaluator = val_evaluator
