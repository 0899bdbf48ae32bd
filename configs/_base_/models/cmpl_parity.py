# What the published code of CMPL does otherwise, its oddities included; docs/cmpl.md
# says what each of them does. For students that inherit it.
parity_roi_head = dict(
    alignment=dict(
        choice='argmax',
        normalize_visual=False,
        objectness_weight=0.0,
        max_candidates=1000,
        labelled_iou_thr=None,
        refinements=1,
        mask_box='refined',
    ),
    # Annotated objects reach it as regions to be ignored, which it is not to do.
    pseudo_train_cfg=dict(assigner=dict(type='MaxIoUAssigner', ignore_iof_thr=-1)),
    pseudo_targets='any',
    pseudo_background='first_class',
    labelled_objects='ignored',
    unlabelled_neg_weight=1.0,
    mask_head=dict(mode='mean_bce', num_samples=1, sigma_range=None),
)
parity_semi_train_cfg = dict(
    weighting=dict(mode='inv_sigma', value=0.01, max_weight=None),
    drop_labelled_words=False,
    align_with='word',
)
