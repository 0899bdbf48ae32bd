# Class-agnostic Mask R-CNN from random weights: group normalisation, nothing frozen.
_base_ = './class_agn_mask_rcnn_r50_fpn.py'

# The box head stays as it is: it has two linear layers, and nothing to normalise.
gn = dict(type='GN', num_groups=32, requires_grad=True)
model = dict(
    backbone=dict(frozen_stages=-1, norm_cfg=gn, norm_eval=False, init_cfg=None),
    roi_head=dict(mask_head=dict(norm_cfg=gn)),
)
