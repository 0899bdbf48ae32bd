# Ablation: a pseudo label counts in the losses of the RoI heads as its score says.
_base_ = './ovis_pseudo-only_r50-fpn_90k_ov-coco.py'

train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, dict(type='LoadInstanceFlags'))
train_pipeline[-1] = dict(type='PackInstanceInputs')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, score_weight=(0.0, 1.0)))
model = dict(
    roi_head=dict(
        bbox_head=dict(type='WeightedEmbeddingBBoxHead'),
        mask_head=dict(type='WeightedFCNMaskHead'),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(type='WeightedRandomSampler'))),
)
