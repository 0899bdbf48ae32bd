# CMPL's student: learns base classes from annotations, and words of captions from what
# the teacher makes of them.
_base_ = [
    '../_base_/models/cmpl_r50_c4.py',
    '../_base_/datasets/ov_coco_caption.py',
    '../_base_/schedules/schedule_70k.py',
    '../_base_/ov_runtime.py',
]

train_dataloader = dict(batch_size=1)  # of 8 GPUs
custom_hooks = [*_base_.custom_hooks, dict(type='NoiseFreezeHook', freeze_iter=10000)]
load_from = 'work_dirs/cmpl_teacher_r50-c4_90k_ov-coco/iter_90000.pth'
