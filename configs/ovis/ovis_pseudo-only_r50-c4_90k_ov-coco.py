# Mask-free OVIS with the network of the original and a seventh of its samples.
_base_ = [
    './ovis_base-only_r50-c4_90k_ov-coco.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
]

train_dataloader = dict(dataset=_base_.ovis_pseudo)
