# Pairwise affinity network of GGN: ResNet-50 and a UPerNet-style head at stride 4.
model = dict(
    type='PairwiseAffinityPredictor',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=False,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    affinity_head=dict(
        type='UPerAffinityHead',
        in_channels=(256, 512, 1024, 2048),
        ppm_channels=512,
        channels=256,
        num_affinity=1,
        reduction='mean',
        border='legacy',
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        loss_affinity=dict(type='AffinityLoss', pos_weight=0.05),
    ),
)
