# The lightest network, for CPUs: MobileNetV2 and a head of a quarter of the width.
_base_ = './pairwise_affinity_r50.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV2',
        out_indices=(1, 2, 4, 7),
        # Batches are small where this network is used: keep the pretrained statistics.
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    affinity_head=dict(
        in_channels=(24, 32, 96, 1280),
        ppm_channels=128,
        channels=64,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=16),
    ),
)
