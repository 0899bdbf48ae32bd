# 90,000 iterations of 16 images, 12 epochs of COCO.
_base_ = './schedule_150k.py'

train_cfg = dict(max_iters=90000)
warmup, steps = _base_.param_scheduler
param_scheduler = [warmup, steps | dict(end=90000, milestones=[60000, 80000])]
auto_scale_lr = dict(base_batch_size=16)
