# OLN-Mask: OLN-Box with masks and mask scoring.
_base_ = [
    '../_base_/models/oln_mask_r50_fpn.py',
    '../_base_/datasets/coco_split_instance.py',
    '../_base_/schedules/schedule_8e.py',
    '../_base_/default_runtime.py',
]
