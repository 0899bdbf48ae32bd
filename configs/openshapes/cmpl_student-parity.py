# The student as published.
_base_ = ['./cmpl_student.py', '../_base_/models/cmpl_parity.py']

model = dict(
    detector=dict(roi_head=_base_.parity_roi_head),
    semi_train_cfg=_base_.parity_semi_train_cfg,
)
words = 'annotations/caption_words_parity_train.json'
train_dataloader = dict(dataset=dict(words_file=words))
