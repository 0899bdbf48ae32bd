# pa_train_coco.py from random weights, with group normalisation: for ImageNet.
_base_ = './pa_train_gn.py'

train_dataloader = dict(dataset=dict(train_class='all'))
val_dataloader = dict(dataset=dict(train_class='all'))
test_dataloader = val_dataloader
