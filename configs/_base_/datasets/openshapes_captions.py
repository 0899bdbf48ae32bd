# OpenShapes as image-text models see it: images and sentences, nothing else.
openshapes_root = 'data/openshapes_ovis/'
openshapes_words = openshapes_root + 'annotations/instances_train.json'  # names only
openshapes_captions = openshapes_root + 'annotations/captions_train.json'
openshapes_word_pieces = 'work_dirs/demo-ovis/word_pieces.txt'
openshapes_captions_train = dict(
    type='CaptionLabelDataset',
    data_root=openshapes_root,
    ann_file='annotations/captions_train.json',
    data_prefix=dict(img='train/'),
    vocabulary=openshapes_words,
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(
            type='Resize',
            scale=(128, 128),
            keep_ratio=False,
            backend='pillow',
            interpolation='bicubic',
        ),
        # No flips, no colours: captions speak of left and right, and of colours.
        dict(
            type='SampleCaptionTexts',
            ann_file=openshapes_captions,
            vocabulary=openshapes_words,
        ),
        dict(
            type='PackDetInputs',
            meta_keys=(
                *('img_id', 'img_shape', 'ori_shape'),
                *('texts', 'text_labels', 'word_labels'),
            ),
        ),
    ],
)
