# GGN with a network for CPUs.
_base_ = ['./class_agn_mask_rcnn_mobilenet-v2.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(dataset=_base_.pseudo_masks)
