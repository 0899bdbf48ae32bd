# Ablation: other masks at each visit of an image, of all that pass iou_thresh.
_base_ = './class_agn_mask_rcnn_pa.py'

train_dataloader = dict(dataset=dict(random_sample_masks=True))
