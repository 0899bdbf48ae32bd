# ImageNet with the pseudo masks of each image; judged on all classes of COCO.
_base_ = ['./coco_split_instance.py', './imagenet.py']

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OnlinePseudoLabelDataset',
        ann_dir='pa_masks_train/',
        score_thresh=None,
        top_k=10,
        filter_cfg=dict(min_size=32),
        pipeline=_base_.train_pipeline,
        **_base_.imagenet_images,
    )
)
all_classes = dict(train_class='all', eval_class='all')
val_dataloader = dict(dataset=all_classes)
test_dataloader = dict(dataset=all_classes)
val_evaluator = dict(eval_class='all')
test_evaluator = dict(eval_class='all')
