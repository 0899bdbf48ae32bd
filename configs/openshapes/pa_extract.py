# Masks from the affinity of pa_train.py on the training images.
_base_ = ['./pa_train.py', '../_base_/extraction.py']

# Objects are smaller than in COCO.
pa_to_masks = dict(footprint_size=14)

test_dataloader = dict(
    dataset=dict(
        ann_file=_base_.train_dataloader.dataset.ann_file,
        data_prefix=_base_.train_dataloader.dataset.data_prefix,
        **_base_.extraction_dataset,
    )
)
