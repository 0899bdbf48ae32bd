# The lightest network, for CPUs: MobileNetV2 and a head of a quarter of the width.
_base_ = ['./pairwise_affinity_r50.py', './mobilenet-v2.py']

model = dict(
    backbone=_base_.mobilenet_v2,
    affinity_head=dict(
        in_channels=_base_.mobilenet_v2_channels,
        ppm_channels=128,
        channels=64,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=16),
    ),
)
