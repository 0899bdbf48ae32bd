# Baseline with the network and the raw text vectors of the originals.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/ov_runtime.py',
]
