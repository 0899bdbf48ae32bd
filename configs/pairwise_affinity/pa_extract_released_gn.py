# As pa_extract_released.py, for weights trained with group normalisation.
_base_ = ['./pa_train_gn.py', '../_base_/extraction.py']

model = dict(affinity_head=dict(global_norm_cfg=dict(type='GN', num_groups=32)))
test_dataloader = dict(
    dataset=dict(
        ann_file=_base_.train_dataloader.dataset.ann_file,
        data_prefix=_base_.train_dataloader.dataset.data_prefix,
        **_base_.extraction_dataset,
    )
)
