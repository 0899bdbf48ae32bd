# ImageNet folders: images without annotations, listed in a COCO file by
# tools/dataset_converters/images_to_coco.py.
imagenet_images = dict(
    data_root='data/imagenet/',
    ann_file='annotations/images_train.json',
    data_prefix=dict(img='train/'),
    is_class_agnostic=True,
    train_class='all',
    eval_class='all',
)
