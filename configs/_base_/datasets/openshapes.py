# Where OpenShapes lies and how its classes are split; every config of the demo uses it.
openshapes_root = 'data/openshapes/'
openshapes_train = dict(
    data_root=openshapes_root,
    ann_file='annotations/instances_train.json',
    data_prefix=dict(img='train/'),
    train_class='openshapes_seen',
)
openshapes_val = dict(
    data_root=openshapes_root,
    ann_file='annotations/instances_val.json',
    data_prefix=dict(img='val/'),
    train_class='openshapes_seen',
)
# Few objects an image, and little time: no masks that are hardly better than chance.
openshapes_pseudo = dict(
    additional_ann_file='annotations/pa_masks_train.json', top_k=4, score_thresh=1.45
)
