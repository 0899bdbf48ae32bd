# 150,000 iterations of 8 images: what goes on from learnt weights.
_base_ = './schedule_150k.py'

optim_wrapper = dict(optimizer=dict(lr=0.0005))
auto_scale_lr = dict(base_batch_size=8)
