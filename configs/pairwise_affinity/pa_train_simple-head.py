# Ablation: two convolutions on the last features instead of a decoder.
_base_ = './pa_train.py'

model = dict(
    affinity_head=dict(
        _delete_=True,
        type='SimpleAffinityHead',
        in_channels=2048,
        num_affinity=8,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        loss_affinity=dict(type='AffinityLoss', pos_weight=0.05),
    )
)
