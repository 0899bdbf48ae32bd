# 70,000 iterations of 8 images, as CMPL's student learns.
_base_ = './schedule_150k.py'

train_cfg = dict(max_iters=70000)
warmup, steps = _base_.param_scheduler
param_scheduler = [warmup, steps | dict(end=70000, milestones=[20000, 50000])]
optim_wrapper = dict(optimizer=dict(lr=0.005))
auto_scale_lr = dict(base_batch_size=8)
