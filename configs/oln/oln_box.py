# OLN-Box: boxes of unseen classes, from those of the seen ones (VOC).
_base_ = [
    '../_base_/models/oln_box_r50_fpn.py',
    '../_base_/datasets/coco_split_instance.py',
    '../_base_/schedules/schedule_8e.py',
    '../_base_/default_runtime.py',
]

val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
