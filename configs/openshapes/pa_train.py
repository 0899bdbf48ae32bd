# Pairwise affinity on the seen shapes: half the width, from scratch, minutes on a CPU.
_base_ = [
    '../pairwise_affinity/pa_train_r18.py',
    '../_base_/datasets/openshapes.py',
    '../_base_/schedules/schedule_short.py',
]

model = dict(
    backbone=dict(base_channels=32, stem_channels=32, init_cfg=None),
    affinity_head=dict(
        in_channels=(32, 64, 128, 256),
        ppm_channels=32,
        channels=32,
        norm_cfg=dict(type='BN'),
    ),
)

train_dataloader = dict(batch_size=8, dataset=_base_.openshapes_train)
val_dataloader = dict(dataset=_base_.openshapes_val)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=_base_.short_epochs, val_interval=_base_.short_epochs)
optim_wrapper = dict(
    optimizer=_base_.short_optimizer | dict(lr=0.002, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = _base_.short_schedule
