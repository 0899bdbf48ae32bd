# Proposals for Mask-free OVIS, learnt from words of captions: nobody drew a box.
_base_ = [
    '../_base_/models/wspn_r50_dc5.py',
    '../_base_/datasets/coco_captions.py',
    '../_base_/schedules/schedule_90k.py',
    '../_base_/ov_runtime.py',
]

custom_hooks = []  # the words are those of the training set for good
model = dict(roi_head=dict(bbox_head=dict(num_classes=65)))  # as many as there are
optim_wrapper = dict(
    optimizer=dict(lr=0.01), clip_grad=dict(max_norm=10.0, norm_type=2)
)
