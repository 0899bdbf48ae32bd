# LVIS v1 after tools/dataset_converters/lvis_to_coco.py, beside the images of COCO.
lvis_root = 'data/coco/'
# The images of either file lie in train2017 and val2017; file_name says where.
lvis_train = dict(
    data_root=lvis_root,
    ann_file='annotations/lvis_v1_train_coco.json',
    data_prefix=dict(img=''),
)
lvis_val = dict(
    data_root=lvis_root,
    ann_file='annotations/lvis_v1_val_coco.json',
    data_prefix=dict(img=''),
)
# The paper's files hold the judged half alone, so what the other half shows is no
# excuse for a detection: docs/model_zoo.md.
lvis_evaluator = dict(
    ann_file=lvis_root + 'annotations/lvis_v1_val_coco.json', protocol='filtered_gt'
)
