# Mask-free OVIS with the network and the schedule of the original.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
    '../_base_/schedules/schedule_150k.py',
    '../_base_/ov_runtime.py',
]

train_dataloader = dict(batch_size=8, dataset=_base_.ovis_pseudo)  # of 8 GPUs
