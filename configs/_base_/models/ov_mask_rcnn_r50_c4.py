# Mask R-CNN whose classes are words, as in OVR-CNN, XPM and Mask-free OVIS: one feature
# map, raw text vectors, and MSRA's ImageNet weights with the pixel mean that they want.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50-caffe-c4.py'

text_bank = 'data/text_embeddings/coco_clip-vit-b-32_raw.npz'
imagenet = dict(type='Pretrained', checkpoint='open-mmlab://detectron/resnet50_caffe')
model = dict(
    data_preprocessor=dict(mean=[102.9801, 115.9465, 122.7717]),
    backbone=dict(init_cfg=imagenet),
    rpn_head=dict(loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1 / 9)),
    roi_head=dict(
        shared_head=dict(init_cfg=imagenet),  # mmdet leaves res5 at random weights
        bbox_head=dict(
            _delete_=True,  # the number of classes, above all
            type='EmbeddingBBoxHead',
            with_avg_pool=True,
            in_channels=2048,
            roi_feat_size=7,
            embed_dim=512,
            embeddings=text_bank,
            bg_weight=0.2,
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0),
        ),
        mask_head=dict(class_agnostic=True),
    ),
    train_cfg=dict(
        # Nothing is learnt from regions that are marked as ignored, such as crowds.
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)),
        rcnn=dict(
            assigner=dict(ignore_iof_thr=0.5),
            sampler=dict(pos_fraction=1.0),
        ),
    ),
)
