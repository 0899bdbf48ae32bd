# 150,000 iterations of 64 images, as Mask-free OVIS learns pseudo labels.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150000, val_interval=10000)
param_scheduler = [
    # From a third to all of it: iteration 500 is the first at the full rate.
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        begin=0,
        end=150000,
        milestones=[60000, 120000],
        gamma=0.1,
    ),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=64)
