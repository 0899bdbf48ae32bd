# Caption pretraining in minutes on a CPU: which caption belongs to which image?
# cmpl_teacher.py takes backbone, neck and fc_emb by their names.
_base_ = './class_agn_mask_rcnn.py'

text_bank = 'work_dirs/demo-cmpl/text_embeddings.npz'
detector = _base_.model
model = dict(
    _delete_=True,
    type='CaptionGrounding',
    data_preprocessor=detector.data_preprocessor | dict(pad_mask=False),
    backbone=detector.backbone | dict(init_cfg=None),
    neck=detector.neck,
    level=0,  # the finest, on which the teacher's regions are
    in_channels=64,
    embed_dim=128,
    tokens=dict(type='BankTokens', embeddings=text_bank),
    temperature=1.0,  # its vectors are of length 1
)
find_unused_parameters = True  # one level of the neck is used

images = _base_.openshapes_train
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        _delete_=True,
        type='CaptionDataset',
        data_root=images.data_root,
        ann_file='annotations/captions_train.json',
        data_prefix=images.data_prefix,
        # No flips: captions speak of left and right.
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=_base_.scale, keep_ratio=True),
            dict(type='ChooseCaption'),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'img_shape', 'ori_shape', 'caption'),
            ),
        ],
    ),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None

max_epochs = 16
train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=0.002))
warmup, cosine = _base_.short_schedule
param_scheduler = [warmup, cosine | dict(end=max_epochs, T_max=max_epochs)]
