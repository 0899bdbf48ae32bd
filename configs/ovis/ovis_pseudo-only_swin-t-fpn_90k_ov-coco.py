# Ablation: Swin-T, trained as Swin Transformers are.
_base_ = [
    '../_base_/models/ov_mask_rcnn_swin-t_fpn.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/ov_runtime.py',
]

train_dataloader = dict(dataset=_base_.ovis_pseudo)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.0001, weight_decay=0.05),
    paramwise_cfg=dict(
        _delete_=True,
        norm_decay_mult=0.0,
        custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.0)),
    ),
)
