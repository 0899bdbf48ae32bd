# GGN with OLN: OLN-Mask trained on seen shapes and pseudo masks from affinity.
_base_ = ['./oln_mask.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(dataset=_base_.pseudo_masks | _base_.openshapes_pseudo)
