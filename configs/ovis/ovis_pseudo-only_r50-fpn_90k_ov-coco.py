# Mask-free OVIS: learns from pseudo labels alone, nobody drew a mask.
_base_ = [
    './ovis_base-only_r50-fpn_90k_ov-coco.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
]

train_dataloader = dict(dataset=_base_.ovis_pseudo)
