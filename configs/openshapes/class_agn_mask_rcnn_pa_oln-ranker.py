# GGN with masks that OLN has ranked: their scores reach from 0 to 3, and as many of
# them are above this threshold as of GGN's above its own.
_base_ = './class_agn_mask_rcnn_pa.py'

train_dataloader = dict(
    dataset=dict(
        additional_ann_file='annotations/pa_masks_train_oln-ranker.json',
        score_thresh=1.85,
    )
)
