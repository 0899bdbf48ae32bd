# Trunk of the open-vocabulary Mask R-CNN, res5 on the whole map, grounded in captions.
_base_ = './ov_mask_rcnn_r50_c4.py'

language_model = 'bert-base-uncased'  # or a folder made by save_pretrained
detector = _base_.model
model = dict(
    _delete_=True,
    type='CaptionGrounding',
    data_preprocessor=detector.data_preprocessor
    | dict(pad_mask=False, pad_size_divisor=1),
    backbone=detector.backbone | dict(frozen_stages=-1),
    shared_head=detector.roi_head.shared_head,
    in_channels=2048,
    embed_dim=768,
    tokens=dict(type='WordPieceTokens', model=language_model),
)
