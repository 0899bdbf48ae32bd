# 40,000 iterations of 64 images: OVR-CNN's caption pretraining.
_base_ = './schedule_150k.py'

train_cfg = dict(max_iters=40000, val_interval=40000)
warmup, steps = _base_.param_scheduler
param_scheduler = [warmup, steps | dict(end=40000, milestones=[20000, 35000])]
optim_wrapper = dict(optimizer=dict(lr=0.01), clip_grad=dict(max_norm=5.0))
auto_scale_lr = dict(base_batch_size=64)
