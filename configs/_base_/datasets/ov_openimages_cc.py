# Open Images with masks of its base classes, and Conceptual Captions with words alone;
# every batch has as many images of each. docs/data.md says how the files are made.
_base_ = './ov_coco_caption.py'

openimages_root = 'data/openimages/'
captions_root = 'data/conceptual_captions/'
base_file = 'annotations/train_base.json'
words_file = 'annotations/caption_words_train.json'

base_masks = dict(
    type='OVCocoDataset',
    data_root=openimages_root,
    ann_file=base_file,
    data_prefix=dict(img='train/'),
    split='base',
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline=_base_.train_pipeline,
)
# Images of rare classes are seen more often: sqrt(0.1 / f) times, rounded up, where f
# is the share of images with a class. The published code rounds down, and counts
# instances.
balanced = dict(type='ClassBalancedDataset', oversample_thr=0.1)
openimages_alone = dict(balanced, dataset=base_masks)
openimages = dict(
    balanced,
    dataset=dict(
        base_masks,
        type='CaptionedOVCocoDataset',
        caption_vocabulary=captions_root + words_file,
    ),
)
conceptual_captions = dict(
    type='ConceptualCaptionsDataset',
    data_root=captions_root,
    ann_file='annotations/train_index.json',
    data_prefix=dict(img='train/'),
    words_file=words_file,
    class_file=openimages_root + base_file,
    split='base',
    skip_missing=True,
    pipeline=_base_.train_pipeline,
)
train_dataloader = dict(
    _delete_=True,
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='MultiSourceSampler', batch_size=2, source_ratio=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[openimages, conceptual_captions]),
)
val_dataloader = dict(
    dataset=dict(
        data_root=openimages_root,
        ann_file='annotations/validation_all.json',
        data_prefix=dict(img='validation/'),
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(
    ann_file=openimages_root + 'annotations/validation_all.json', verified_only=True
)
test_evaluator = val_evaluator
