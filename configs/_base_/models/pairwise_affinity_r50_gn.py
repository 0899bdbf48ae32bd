# Pairwise affinity from random weights: group normalisation in backbone and head.
_base_ = './pairwise_affinity_r50.py'

gn = dict(type='GN', num_groups=32, requires_grad=True)
model = dict(
    backbone=dict(norm_cfg=gn, init_cfg=None),
    affinity_head=dict(norm_cfg=gn, global_norm_cfg=gn),
)
