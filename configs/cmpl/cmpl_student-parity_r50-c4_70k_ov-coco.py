# The student as published.
_base_ = [
    './cmpl_student_r50-c4_70k_ov-coco.py',
    '../_base_/models/cmpl_parity.py',
]

model = dict(
    detector=dict(
        roi_head=dict(
            _base_.parity_roi_head,
            pseudo_train_cfg=_base_.parity_roi_head.pseudo_train_cfg
            | dict(sampler=dict(num=512)),
        ),
        train_cfg=dict(
            rpn=dict(assigner=dict(ignore_iof_thr=-1)),
            rcnn=dict(assigner=dict(ignore_iof_thr=-1)),
        ),
    ),
    teacher=dict(roi_head=dict(bbox_head=dict(normalize_text=False))),
    semi_train_cfg=_base_.parity_semi_train_cfg,
)
words = 'annotations/caption_words_parity_train2017.json'
train_dataloader = dict(dataset=dict(words_file=words, crowd='drop'))
load_from = 'work_dirs/cmpl_teacher-parity_r50-c4_90k_ov-coco/iter_90000.pth'
