# What turns a class-agnostic R-CNN into OLN: it learns where objects are and how well a
# box is placed, never that something is background.

# The best of each level, without suppression: nothing is lost before it is judged.
oln_proposals = dict(nms_pre=2000, max_per_img=None, nms=None, min_bbox_size=0)
oln = dict(
    rpn_head=dict(
        type='OlnRPNHead',
        anchor_generator=dict(ratios=[1.0]),
        bbox_coder=dict(_delete_=True, type='TBLRBBoxCoder', normalizer=1.0),
        reg_decoded_bbox=True,
        loss_cls=dict(loss_weight=0.0),
        loss_bbox=dict(_delete_=True, type='IoULoss', mode='linear', loss_weight=10.0),
        loss_objectness=dict(type='L1Loss', loss_weight=1.0),
        objectness_type='Centerness',
        # Boxes start as their anchors rather than as points.
        init_cfg=dict(
            type='Normal',
            layer='Conv2d',
            std=0.01,
            override=dict(type='Normal', name='rpn_reg', std=0.01, bias=0.5),
        ),
    ),
    roi_head=dict(
        type='OlnRoIHead',
        bbox_head=dict(
            type='Shared2FCBBoxScoreHead',
            loss_cls=dict(loss_weight=0.0),
            loss_bbox_score=dict(type='L1Loss', loss_weight=1.0),
            bbox_score_type='BoxIoU',
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            allowed_border=0,
            objectness_assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.3,
                neg_iou_thr=0.1,
                min_pos_iou=0.3,
                ignore_iof_thr=-1,
            ),
            # As in the original, negatives fill up what positives leave of the 256.
            objectness_sampler=dict(
                type='RandomSampler',
                num=256,
                pos_fraction=1.0,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
        ),
        rpn_proposal=oln_proposals,
    ),
    test_cfg=dict(rpn=oln_proposals),
)
