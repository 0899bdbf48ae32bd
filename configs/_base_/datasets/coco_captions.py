# Words of COCO's captions and proposals of tools/ovis/extract_proposals.py in training;
# judged by the recall of all objects, whatever their class.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

vocabulary = 'coco65'
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=False, with_label=True),
    dict(type='LoadProposals', num_max_proposals=1000),
    dict(
        type='ProposalBroadcaster',
        transforms=[
            dict(
                type='RandomChoiceResize',
                scales=[(1333, side) for side in range(480, 801, 32)],
                keep_ratio=True,
            ),
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadProposals', num_max_proposals=1000),
    dict(
        type='ProposalBroadcaster',
        transforms=[dict(type='Resize', scale=(1333, 800), keep_ratio=True)],
    ),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        _delete_=True,
        type='CaptionLabelDataset',
        data_root='data/coco/',
        ann_file='annotations/captions_train2017.json',
        data_prefix=dict(img='train2017/'),
        vocabulary=vocabulary,
        proposal_file='proposals/selective_search_train2017.npz',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='CocoSplitDataset',
        is_class_agnostic=True,
        proposal_file='proposals/selective_search_val2017.npz',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type='OpenWorldCocoMetric',
    eval_class='all',
    max_dets=(10, 20, 30, 50, 100),
)
test_evaluator = val_evaluator

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
