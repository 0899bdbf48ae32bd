# Pairwise affinity on persons, COCO train2017.
_base_ = './pa_train.py'

train_dataloader = dict(dataset=dict(train_class='person'))
val_dataloader = dict(dataset=dict(train_class='person'))
test_dataloader = val_dataloader
