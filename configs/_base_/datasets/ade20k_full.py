# The full ADE20K (2021_17_01) after tools/dataset_converters/ade20k_to_coco.py.
ade20k_val = dict(
    data_root='data/ADE20K_2021_17_01/',
    ann_file='annotations/validation.json',
    data_prefix=dict(img='images/ADE/validation/'),
    train_class='object',
    eval_class='object',
)
ade20k_evaluator = dict(
    ann_file='data/ADE20K_2021_17_01/annotations/validation.json', eval_class='object'
)
