# Pairwise affinity on the seen classes (VOC), COCO train2017.
_base_ = [
    '../_base_/models/pairwise_affinity_r50.py',
    '../_base_/datasets/coco_split_affinity.py',
    '../_base_/schedules/schedule_pa_20e.py',
    '../_base_/default_runtime.py',
]
