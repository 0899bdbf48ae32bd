# 80 classes, class-agnostic masks: the detector that knows names, for comparison.
_base_ = './class_agn_mask_rcnn.py'

model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=80),
        mask_head=dict(num_classes=80, class_agnostic=True),
    )
)
train_dataloader = dict(dataset=dict(is_class_agnostic=False))
val_dataloader = dict(dataset=dict(is_class_agnostic=False))
test_dataloader = val_dataloader
