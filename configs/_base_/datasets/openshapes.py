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
