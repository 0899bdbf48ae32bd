# The detector of ovis_pseudo-only_r50-fpn_90k_ov-coco.py, tested on VOC 2007.
_base_ = [
    './ovis_pseudo-only_r50-fpn_90k_ov-coco.py',
    '../_base_/datasets/ov_cross_dataset.py',
]

text_bank = 'data/text_embeddings/voc07_clip-vit-b-32.npz'
model = dict(roi_head=dict(bbox_head=dict(embeddings=text_bank)))
test_dataloader = _base_.voc07
test_evaluator = _base_.voc07_evaluator
test_cfg = dict(_delete_=True, type='TestLoop')
