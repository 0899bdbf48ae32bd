# CMPL's teacher: learns the base classes, in a projection that captions have taught and
# that stays as it is.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4_bert.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/ov_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(freeze_emb=True)))
train_dataloader = dict(batch_size=1)  # of 8 GPUs
optim_wrapper = dict(optimizer=dict(lr=0.0005))
auto_scale_lr = dict(base_batch_size=8)
load_from = 'work_dirs/ovr_pretrain_r50-c4_40k_coco-captions/iter_40000.pth'
