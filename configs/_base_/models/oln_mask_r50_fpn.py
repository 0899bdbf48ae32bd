# OLN-Mask: OLN-Box with a mask branch whose masks are scored by their estimated IoU.
_base_ = ['./class_agn_mask_rcnn_r50_fpn.py', './oln_mask.py']

model = _base_.oln_mask
