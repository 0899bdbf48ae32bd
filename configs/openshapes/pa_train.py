# Pairwise affinity on the seen shapes: half the width, from scratch, minutes on a CPU.
_base_ = '../pairwise_affinity/pa_train_r18.py'

model = dict(
    backbone=dict(base_channels=32, stem_channels=32, init_cfg=None),
    affinity_head=dict(
        in_channels=(32, 64, 128, 256),
        ppm_channels=32,
        channels=32,
        norm_cfg=dict(type='BN'),
    ),
)

data_root = 'data/openshapes/'
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        train_class='openshapes_seen',
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
        train_class='openshapes_seen',
    )
)
test_dataloader = val_dataloader

max_epochs = 5
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.002, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]
