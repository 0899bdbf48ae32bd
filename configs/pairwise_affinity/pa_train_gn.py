# pa_train.py from random weights, with group normalisation everywhere.
_base_ = [
    '../_base_/models/pairwise_affinity_r50_gn.py',
    '../_base_/datasets/coco_split_affinity.py',
    '../_base_/schedules/schedule_pa_20e.py',
    '../_base_/default_runtime.py',
]
