# Baseline of OLN-Box: class-agnostic Faster R-CNN that knows the seen classes (VOC).
_base_ = [
    '../_base_/models/class_agn_faster_rcnn_r50_fpn.py',
    '../_base_/datasets/coco_split_instance.py',
    '../_base_/schedules/schedule_8e.py',
    '../_base_/default_runtime.py',
]

val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
