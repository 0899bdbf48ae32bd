# COCO as ov_coco_instance.py has it, and in training the words of the captions too
# (tools/cmpl/parse_captions.py): each image gives its base objects and its words.
_base_ = './ov_coco_instance.py'

caption_keys = ('caption_words', 'caption_labels', 'has_gt')
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='PackDetInputs',
        meta_keys=(
            *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            *('flip', 'flip_direction', *caption_keys),
        ),
    ),
]
train_dataloader = dict(
    dataset=dict(
        type='CaptionedOVCocoDataset',
        words_file='annotations/caption_words_train2017.json',
        pipeline=train_pipeline,
    )
)
