# The teacher as published: raw text vectors, and crowds as background.
_base_ = './cmpl_teacher_r50-c4_90k_ov-coco.py'

model = dict(
    roi_head=dict(bbox_head=dict(normalize_text=False)),
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=-1)),
        rcnn=dict(assigner=dict(ignore_iof_thr=-1)),
    ),
)
train_dataloader = dict(dataset=dict(crowd='drop'))
