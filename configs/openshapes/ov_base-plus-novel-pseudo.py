# Masks of the base shapes and pseudo labels of the novel ones, learnt together.
_base_ = './ov_base-only.py'

train_dataloader = dict(
    dataset=dict(
        type='OVPseudoLabelCocoDataset',
        additional_ann_file='annotations/ovis_pseudo_train.json',
        split='all',
        train_class='base',
        pseudo_class='novel',
        use_images_without_gt=True,
    )
)
