# CMPL's student: masks of the base shapes, and the words of captions by what the
# teacher makes of them.
_base_ = './cmpl_teacher.py'

detector = _base_.model
detector.backbone.norm_eval = True
detector.roi_head.type = 'CMPLRoIHead'
detector.roi_head.alignment = dict(refinements=3)
# Else nothing tells words from annotated classes, which then lose to them.
detector.roi_head.labelled_objects = 'classified'
detector.roi_head.bbox_head.freeze_emb = False
detector.roi_head.mask_head.type = 'NoisyFCNMaskHead'
model = dict(
    _delete_=True,
    type='CrossModalPseudoLabel',
    detector=detector,
    # The published weight grows over tens of thousands of iterations; here are few.
    semi_train_cfg=dict(weighting=dict(mode='constant', value=1.5)),
)

pipeline = _base_.train_pipeline
pipeline[-1].meta_keys = (
    *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    *('caption_words', 'caption_labels', 'has_gt'),
)
train_dataloader = dict(
    dataset=dict(
        type='CaptionedOVCocoDataset',
        words_file='annotations/caption_words_train.json',
        use_images_without_gt=True,
        pipeline=pipeline,
    )
)
custom_hooks = [*_base_.custom_hooks, dict(type='NoiseFreezeHook', freeze_iter=200)]
load_from = 'work_dirs/demo-cmpl/teacher/epoch_4.pth'
