# Ablation: a pseudo mask counts in the losses of the RoI heads as its score says.
_base_ = './class_agn_mask_rcnn_pa.py'

train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, dict(type='LoadInstanceFlags'))
train_pipeline[-1] = dict(type='PackInstanceInputs')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, score_weight=(1.0, 1.9)))
model = dict(
    roi_head=dict(
        bbox_head=dict(type='WeightedShared2FCBBoxHead'),
        mask_head=dict(type='WeightedFCNMaskHead'),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(type='WeightedRandomSampler'))),
)
