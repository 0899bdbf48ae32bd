# Other datasets as test sets: their images, their classes, their words.
test_boxes = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
# VOC 2007 as mmdet's converter (tools/dataset_converters/pascal_voc.py) writes it.
voc07 = dict(
    dataset=dict(
        data_root='data/VOCdevkit/',
        ann_file='annotations/voc07_test.json',
        data_prefix=dict(img=''),
        split=None,
        pipeline=test_boxes,
    )
)
voc07_evaluator = dict(
    ann_file='data/VOCdevkit/annotations/voc07_test.json', metric='bbox'
)
# LVIS v1 after tools/dataset_converters/lvis_to_coco.py.
lvis_v1 = dict(
    dataset=dict(
        ann_file='annotations/lvis_v1_val_coco.json',
        data_prefix=dict(img=''),
        split=None,
    )
)
lvis_v1_evaluator = dict(ann_file='data/coco/annotations/lvis_v1_val_coco.json')
# Objects365 v2 as it comes.
objects365 = dict(
    dataset=dict(
        data_root='data/objects365/',
        ann_file='annotations/zhiyuan_objv2_val.json',
        data_prefix=dict(img='val/'),
        split=None,
        pipeline=test_boxes,
    )
)
objects365_evaluator = dict(
    ann_file='data/objects365/annotations/zhiyuan_objv2_val.json', metric='bbox'
)
