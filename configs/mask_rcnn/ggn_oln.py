# GGN with OLN: OLN-Mask trained on ground truth and pseudo masks from affinity.
_base_ = ['../oln/oln_mask.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(dataset=_base_.pseudo_masks)
