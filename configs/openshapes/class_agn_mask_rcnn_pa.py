# GGN: the baseline trained on seen shapes and pseudo masks from affinity.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(
    dataset=dict(
        **_base_.pseudo_masks
        | dict(additional_ann_file='annotations/pa_masks_train.json')
    )
)
