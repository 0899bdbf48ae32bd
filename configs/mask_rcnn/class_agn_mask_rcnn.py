# Baseline: class-agnostic Mask R-CNN that knows the seen classes (VOC) only.
_base_ = [
    '../_base_/models/class_agn_mask_rcnn_r50_fpn.py',
    '../_base_/datasets/coco_split_instance.py',
    '../_base_/schedules/schedule_8e.py',
    '../_base_/default_runtime.py',
]
