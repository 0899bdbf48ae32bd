# Open-vocabulary Mask R-CNN, learnt from the masks of the base (seen) shapes alone.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/ov_evaluation.py']

text_bank = 'work_dirs/demo-ovis/text_embeddings.npz'
model = dict(
    roi_head=dict(
        bbox_head=dict(
            _delete_=True,  # the number of classes, above all
            type='EmbeddingBBoxHead',
            num_shared_fcs=2,
            in_channels=64,
            fc_out_channels=256,
            embed_dim=128,
            embeddings=text_bank,
            normalize_text=True,
            bg_weight=0.2,
        ),
        mask_head=dict(class_agnostic=True),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(pos_fraction=0.5))),
    test_cfg=dict(
        rpn=dict(max_per_img=100),
        rcnn=dict(score_thr=0.01, nms=dict(iou_threshold=0.5), max_per_img=50),
    ),
)

words = dict(
    _delete_=True,
    type='OVCocoDataset',
    base_classes='openshapes_seen',
    novel_classes='openshapes_unseen',
    train_class='all',  # of the split
)
train_dataloader = dict(
    dataset=_base_.openshapes_train
    | words
    | dict(pipeline=_base_.train_pipeline, split='base')
)
val_dataloader = dict(
    dataset=_base_.openshapes_val
    | words
    | dict(pipeline=_base_.test_pipeline, split='all', test_mode=True)
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='OVCocoInstanceMetric',
    ann_file=_base_.openshapes_root + 'annotations/instances_val.json',
)
test_evaluator = val_evaluator
test_cfg = _base_.ov_test_cfg
custom_hooks = [dict(type='VocabularyHook')]

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
warmup, cosine = _base_.short_schedule
param_scheduler = [warmup, cosine | dict(end=max_epochs, T_max=max_epochs)]
