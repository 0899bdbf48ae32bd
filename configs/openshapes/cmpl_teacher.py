# CMPL's teacher on the base shapes, from the trunk and the projection that captions
# have taught; the projection stays as it is.
_base_ = './ov_base-only.py'

text_bank = 'work_dirs/demo-cmpl/text_embeddings.npz'
finest = dict(featmap_strides=[4])  # on which captions have taught the projection
model = dict(
    backbone=dict(init_cfg=None),
    roi_head=dict(
        bbox_roi_extractor=finest,
        bbox_head=dict(
            num_shared_fcs=0,
            num_reg_fcs=2,
            pool_emb=True,
            freeze_emb=True,
            logit_scale=5.0,
            embeddings=text_bank,
        ),
        mask_roi_extractor=finest,
    ),
)
load_from = 'work_dirs/demo-cmpl/pretrain/epoch_16.pth'
