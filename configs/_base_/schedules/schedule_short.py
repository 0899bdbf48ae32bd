# A few epochs of AdamW: what trains small networks from little data in minutes.
short_epochs = 5
short_optimizer = dict(_delete_=True, type='AdamW', lr=0.001, weight_decay=0.05)
short_schedule = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=0,
        end=short_epochs,
        T_max=short_epochs,
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]
