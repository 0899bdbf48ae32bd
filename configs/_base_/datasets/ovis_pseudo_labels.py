# What tools/ovis/prepare_coco_dataset.py writes, in place of masks that people drew.
ovis_pseudo_file = 'annotations/ovis_pseudo_train2017.json'
# Pseudo labels alone. The classes are those of the file.
ovis_pseudo = dict(ann_file=ovis_pseudo_file, split=None)
# Base classes as people labelled them, pseudo labels of the novel classes.
ovis_base_plus_novel = dict(
    type='OVPseudoLabelCocoDataset',
    additional_ann_file=ovis_pseudo_file,
    split='all',
    train_class='base',
    pseudo_class='novel',
    use_images_without_gt=True,
)
