# Masks of the base classes and pseudo labels of the novel ones, learnt together.
_base_ = [
    './ovis_base-only_r50-c4_90k_ov-coco.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
]

train_dataloader = dict(dataset=_base_.ovis_base_plus_novel)
