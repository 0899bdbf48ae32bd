# Pairwise affinity on the LVIS categories that COCO lacks.
_base_ = ['./pa_train.py', '../_base_/datasets/lvis_v1.py']

split = dict(train_class='lvis_noncoco')
train_dataloader = dict(dataset=_base_.lvis_train | split)
val_dataloader = dict(dataset=_base_.lvis_val | split)
test_dataloader = val_dataloader
