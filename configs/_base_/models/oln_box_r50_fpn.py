# OLN-Box: boxes by localization quality.
_base_ = ['./class_agn_faster_rcnn_r50_fpn.py', './oln.py']

model = _base_.oln
