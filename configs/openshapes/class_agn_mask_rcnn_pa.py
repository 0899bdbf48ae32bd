# GGN: the baseline trained on seen shapes and pseudo masks from affinity.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(dataset=_base_.pseudo_masks | _base_.openshapes_pseudo)
