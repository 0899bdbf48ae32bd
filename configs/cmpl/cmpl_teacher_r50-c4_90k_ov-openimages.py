# The teacher on the base classes of Open Images.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4_bert.py',
    '../_base_/datasets/ov_openimages_cc.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/ov_runtime.py',
]

text_bank = 'data/text_embeddings/openimages_bert-base-uncased.npz'
model = dict(roi_head=dict(bbox_head=dict(embeddings=text_bank, freeze_emb=True)))
train_dataloader = dict(
    batch_size=1,  # of 8 GPUs
    sampler=dict(_delete_=True, type='InfiniteSampler'),
    dataset=dict(_delete_=True, **_base_.openimages_alone),
)
optim_wrapper = dict(optimizer=dict(lr=0.0005))
auto_scale_lr = dict(base_batch_size=8)
load_from = 'work_dirs/ovr_pretrain_r50-c4_40k_coco-captions/iter_40000.pth'
