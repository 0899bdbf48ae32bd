# Pairwise affinity on all 80 classes, COCO train2017, for tests on other datasets.
_base_ = './pa_train.py'

train_dataloader = dict(dataset=dict(train_class='all'))
val_dataloader = dict(dataset=dict(train_class='all'))
test_dataloader = val_dataloader
