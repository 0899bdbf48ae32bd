# Masks from the affinity of pa_train_ov-base.py, for the proposals of configs/ovis.
_base_ = ['./pa_train_ov-base.py', '../_base_/extraction.py']

test_dataloader = dict(
    dataset=dict(
        ann_file=_base_.train_dataloader.dataset.ann_file,
        data_prefix=_base_.train_dataloader.dataset.data_prefix,
        **_base_.extraction_dataset,
    )
)
