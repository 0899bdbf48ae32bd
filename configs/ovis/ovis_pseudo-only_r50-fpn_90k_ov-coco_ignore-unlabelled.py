# Ablation: negatives that look like an object of the vocabulary are left out.
_base_ = './ovis_pseudo-only_r50-fpn_90k_ov-coco.py'

ignore = dict(min_objectness=0.9, min_score=0.5)
model = dict(
    roi_head=dict(bbox_head=dict(ignore_unlabelled_neg=ignore)),
    train_cfg=dict(rcnn=dict(sampler=dict(type='ObjectnessRandomSampler'))),
)
