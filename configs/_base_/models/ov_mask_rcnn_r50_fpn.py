# Mask R-CNN whose classes are words; no parameter depends on their number.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

text_bank = 'data/text_embeddings/coco_clip-vit-b-32.npz'
model = dict(
    roi_head=dict(
        bbox_head=dict(
            _delete_=True,  # the number of classes, above all
            type='EmbeddingBBoxHead',
            num_shared_fcs=2,
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            embed_dim=512,
            embeddings=text_bank,
            normalize_text=True,
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
            # Every positive is taken: they are few, and negatives may be objects.
            sampler=dict(pos_fraction=1.0),
        ),
    ),
)
