# The detector of ovis_pseudo-only_r50-fpn_90k_ov-coco.py, tested on Objects365 v2.
_base_ = [
    './ovis_pseudo-only_r50-fpn_90k_ov-coco.py',
    '../_base_/datasets/ov_cross_dataset.py',
]

text_bank = 'data/text_embeddings/objects365-v2_clip-vit-b-32.npz'
model = dict(roi_head=dict(bbox_head=dict(embeddings=text_bank)))
test_dataloader = _base_.objects365
test_evaluator = _base_.objects365_evaluator
test_cfg = dict(_delete_=True, type='TestLoop')
