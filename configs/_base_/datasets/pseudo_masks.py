# What turns a training set of seen classes into one with pseudo masks.
pseudo_masks = dict(
    type='PseudoLabelCocoDataset',
    additional_ann_file='annotations/pa_masks_train2017.json',
    iou_thresh=0.5,
    score_thresh=None,
    top_k=3,
    random_sample_masks=False,
)
