# Learns from the pseudo labels of all shapes: nobody drew a mask.
_base_ = './ov_base-only.py'

ovis_pseudo_file = 'annotations/ovis_pseudo_train.json'
train_dataloader = dict(dataset=dict(ann_file=ovis_pseudo_file, split='all'))
