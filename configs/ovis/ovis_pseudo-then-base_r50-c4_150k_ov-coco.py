# Goes on with masks of the base classes from what ovis_pseudo-only has learnt; the
# projection into the text space stays as it is.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/schedules/schedule_150k_finetune.py',
    '../_base_/ov_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(freeze_emb=True)))
train_dataloader = dict(batch_size=1)  # of 8 GPUs
load_from = 'work_dirs/ovis_pseudo-only_r50-c4_150k_ov-coco/iter_150000.pth'
