# GGN on images that nobody labelled (ImageNet): pseudo masks alone, from scratch.
_base_ = [
    '../_base_/models/class_agn_mask_rcnn_r50_fpn_gn.py',
    '../_base_/datasets/imagenet_pseudo_masks.py',
    '../_base_/schedules/schedule_24e_cosine.py',
    '../_base_/default_runtime.py',
]
