# Masks on images without annotations (ImageNet), from the affinity of pa_train_gn.py.
_base_ = [
    './pa_train_gn.py',
    '../_base_/extraction.py',
    '../_base_/datasets/imagenet.py',
]

pipeline = _base_.extraction_dataset.pipeline
pipeline.insert(1, dict(type='Resize', scale=(640, 400), keep_ratio=True))
test_dataloader = dict(
    dataset=dict(keep_unseen=False, pipeline=pipeline, **_base_.imagenet_images)
)
