# Pairwise affinity on the 48 base classes of open-vocabulary COCO, train2017.
_base_ = './pa_train.py'

train_dataloader = dict(dataset=dict(train_class='ov_base'))
val_dataloader = dict(dataset=dict(train_class='ov_base'))
test_dataloader = val_dataloader
