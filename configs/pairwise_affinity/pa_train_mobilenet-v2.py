# pa_train.py with a lighter network.
_base_ = [
    '../_base_/models/pairwise_affinity_mobilenet-v2.py',
    '../_base_/datasets/coco_split_affinity.py',
    '../_base_/schedules/schedule_pa_20e.py',
    '../_base_/default_runtime.py',
]
