# Baseline on the seen shapes: narrow, minutes on a CPU. In place of ImageNet weights,
# the backbone starts from that of pa_train.py, which knows the same labels and no more.
_base_ = [
    '../mask_rcnn/class_agn_mask_rcnn.py',
    '../_base_/datasets/openshapes.py',
    '../_base_/schedules/schedule_short.py',
]

model = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        frozen_stages=-1,
        norm_eval=False,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/pa_train/epoch_5.pth',
            prefix='backbone.',
        ),
    ),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(in_channels=64, fc_out_channels=256),
        mask_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=300), rcnn=dict(max_per_img=200)),
)

scale = (192, 192)
train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = scale
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
train_dataloader = dict(
    batch_size=4,
    dataset=_base_.openshapes_train
    | dict(pipeline=train_pipeline, eval_class='openshapes_unseen'),
)
val_dataloader = dict(
    dataset=_base_.openshapes_val
    | dict(pipeline=test_pipeline, eval_class='openshapes_unseen')
)
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=_base_.openshapes_root + 'annotations/instances_val.json',
    eval_class='openshapes_unseen',
)
test_evaluator = val_evaluator

max_epochs = 9
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(
    optimizer=_base_.short_optimizer | dict(lr=0.0007), clip_grad=dict(max_norm=5.0)
)
warmup, cosine = _base_.short_schedule
param_scheduler = [warmup, cosine | dict(end=max_epochs, T_max=max_epochs)]
