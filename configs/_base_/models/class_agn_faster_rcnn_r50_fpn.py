# The class-agnostic Mask R-CNN without its mask branch.
_base_ = './class_agn_mask_rcnn_r50_fpn.py'

model = dict(type='FasterRCNN', roi_head=dict(mask_roi_extractor=None, mask_head=None))
