# Goes on with masks of the base shapes from what ov_pseudo-only has learnt; the
# projection into the text space stays as it is.
_base_ = './ov_base-only.py'

model = dict(
    backbone=dict(init_cfg=None), roi_head=dict(bbox_head=dict(freeze_emb=True))
)
optim_wrapper = dict(optimizer=dict(lr=0.0001))
load_from = 'work_dirs/demo-ovis/pseudo-only/epoch_4.pth'
