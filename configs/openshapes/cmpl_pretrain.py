# Caption pretraining in minutes on a CPU: which caption belongs to which image?
# Regions are boxes that cover the image, seen through the teacher's layers, which
# cmpl_teacher.py takes by their names.
_base_ = './cmpl_teacher.py'

text_bank = _base_.text_bank
detector = _base_.model
model = dict(
    _delete_=True,
    type='CaptionGrounding',
    data_preprocessor=detector.data_preprocessor | dict(pad_mask=False),
    backbone=detector.backbone,
    neck=detector.neck,
    bbox_roi_extractor=detector.roi_head.bbox_roi_extractor,
    bbox_head=detector.roi_head.bbox_head | dict(freeze_emb=False),
    box_sizes=(36, 64, 104),
    tokens=dict(type='BankTokens', embeddings=text_bank),
    max_regions=48,
    temperature=0.3,  # its vectors are of length 1
)
find_unused_parameters = True  # boxes are not refined
load_from = None
custom_hooks = []

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

max_epochs = 8
train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=max_epochs)
warmup, cosine = _base_.short_schedule
param_scheduler = [warmup, cosine | dict(end=max_epochs, T_max=max_epochs)]
