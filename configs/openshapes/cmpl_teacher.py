# CMPL's teacher on the base shapes, from the trunk, the layers and the projection that
# captions have taught; the projection stays as it is.
_base_ = './ov_base-only.py'

text_bank = 'work_dirs/demo-cmpl/text_embeddings.npz'
model = dict(
    backbone=dict(init_cfg=None),
    roi_head=dict(
        bbox_head=dict(freeze_emb=True, logit_scale=3.0, embeddings=text_bank)
    ),
)
load_from = 'work_dirs/demo-cmpl/pretrain/epoch_8.pth'
