# COCO with 48 base and 17 novel classes: trained on the base classes; validated on all
# of them at once, tested also on either group with its own images and words.
_base_ = ['mmdet::_base_/datasets/coco_instance.py', '../ov_evaluation.py']

train_dataloader = dict(
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(type='OVCocoDataset', split='base'),
)
val_dataloader = dict(dataset=dict(type='OVCocoDataset', split='all'))
test_dataloader = val_dataloader

val_evaluator = dict(type='OVCocoInstanceMetric')
test_evaluator = val_evaluator

val_cfg = dict(type='ValLoop')
test_cfg = _base_.ov_test_cfg
