# Masks from weights that GGN released (tools/model_converters/convert_ggn.py).
_base_ = './pa_extract.py'

# They were trained with batch normalisation in every branch of the pooling.
model = dict(
    affinity_head=dict(global_norm_cfg=dict(type='SyncBN', requires_grad=True))
)
