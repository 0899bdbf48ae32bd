# The student on masks of Open Images and words of Conceptual Captions: each image has
# the one or the other. A step is 16 images, two on each of 8 GPUs: eight of each kind.
_base_ = [
    '../_base_/models/cmpl_r50_c4.py',
    '../_base_/datasets/ov_openimages_cc.py',
    '../_base_/schedules/schedule_70k.py',
    '../_base_/ov_runtime.py',
]

text_bank = 'data/text_embeddings/openimages_bert-base-uncased.npz'
model = dict(detector=dict(roi_head=dict(bbox_head=dict(embeddings=text_bank))))
custom_hooks = [*_base_.custom_hooks, dict(type='NoiseFreezeHook', freeze_iter=10000)]
# The rate of eight images: as many have masks here, and as many words, as on COCO.
auto_scale_lr = dict(base_batch_size=16)
load_from = 'work_dirs/cmpl_teacher_r50-c4_90k_ov-openimages/iter_90000.pth'
