# The teacher as published: raw text vectors, and crowds as background.
_base_ = './cmpl_teacher_r50-c4_90k_ov-coco.py'

model = dict(roi_head=dict(bbox_head=dict(normalize_text=False)))
train_dataloader = dict(dataset=dict(crowd='drop'))
