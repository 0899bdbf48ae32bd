# GGN: the baseline trained on seen shapes and pseudo masks from affinity.
_base_ = ['./class_agn_mask_rcnn.py', '../_base_/datasets/pseudo_masks.py']

# Few objects an image, and little time: no masks that are hardly better than chance.
train_dataloader = dict(
    dataset=_base_.pseudo_masks
    | dict(
        additional_ann_file='annotations/pa_masks_train.json',
        top_k=4,
        score_thresh=1.45,
    )
)
