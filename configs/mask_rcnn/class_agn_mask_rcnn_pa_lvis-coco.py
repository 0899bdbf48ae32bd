# GGN: class_agn_mask_rcnn_lvis-coco.py with pseudo masks from affinity.
_base_ = ['./class_agn_mask_rcnn_lvis-coco.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(
    dataset=_base_.pseudo_masks
    | dict(additional_ann_file='annotations/pa_masks_lvis-coco_train.json', top_k=1)
)
