# How affinity becomes masks, and on which images.

# Every key of pa_lib.GroupingConfig may stand here. These are GGN's (its preset `ggn`);
# the defaults of pa_lib are better on boundary maps, docs/grouping.md.
pa_to_masks = dict(
    edge_thresh=0.0,
    footprint_size=20,
    join_thresh=1.0,
    rank_method=3,
    min_component_size=0,
    nms=0.2,
    diversity=0.0,
    filter_by_edge_method=2,
    filter_by_edge_thresh=0.9,
    use_orientation=1,
    use_globalization=0.5,
    spectral='pixels',  # 'regions' is faster, docs/grouping.md
    use_new_affinity=False,
)
extraction = dict(topk=20)
# The images of the training set: those with an object of a seen class.
extraction_dataset = dict(
    keep_unseen=False,
    test_mode=False,
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(
            type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ],
)
