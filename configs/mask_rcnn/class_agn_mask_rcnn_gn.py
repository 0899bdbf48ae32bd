# GGN with GN: fine-tuning of what class_agn_mask_rcnn_gn_online.py learnt (load_from).
_base_ = [
    '../_base_/models/class_agn_mask_rcnn_r50_fpn_gn.py',
    '../_base_/datasets/coco_split_instance.py',
    '../_base_/datasets/pseudo_masks.py',
    '../_base_/schedules/schedule_8e.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(dataset=_base_.pseudo_masks)
