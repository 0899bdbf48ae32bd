# Ablation: no masks that lie inside a labelled object.
_base_ = './class_agn_mask_rcnn_pa.py'

train_dataloader = dict(dataset=dict(contain_thresh=0.8))
