# Ablation: a box head with convolutions, where GN has something to normalise.
_base_ = './class_agn_mask_rcnn_gn.py'

bbox_head = dict(
    type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=_base_.gn
)
model = dict(roi_head=dict(bbox_head=bbox_head))
