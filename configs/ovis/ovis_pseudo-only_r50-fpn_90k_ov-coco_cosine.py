# Ablation: cosine similarities with a learnt background and a learnt scale.
_base_ = './ovis_pseudo-only_r50-fpn_90k_ov-coco.py'

cosine = dict(logit_mode='cosine', bg_mode='learned', logit_scale='learn')
model = dict(roi_head=dict(bbox_head=cosine))
