# A lighter network: ResNet-18 and a head of a quarter of the width.
_base_ = './pairwise_affinity_r50.py'

model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    affinity_head=dict(in_channels=(64, 128, 256, 512), ppm_channels=128, channels=64),
)
