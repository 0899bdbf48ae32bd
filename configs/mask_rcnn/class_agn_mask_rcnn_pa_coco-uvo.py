# GGN: class_agn_mask_rcnn_coco-uvo.py with pseudo masks from affinity.
_base_ = ['./class_agn_mask_rcnn_coco-uvo.py', '../_base_/datasets/pseudo_masks.py']

train_dataloader = dict(
    dataset=_base_.pseudo_masks
    | dict(additional_ann_file='annotations/pa_masks_coco_train2017.json', top_k=3)
)
