# The first half of a narrow ResNet-18, with a stride of 8, and words that attend to it.
image_text_network = dict(
    type='ConvMatcherNetwork',
    backbone=dict(
        type='mmdet.ResNet',
        depth=18,
        num_stages=2,
        out_indices=(1,),
        strides=(1, 2),
        dilations=(1, 1),
        base_channels=32,
        stem_channels=32,
        frozen_stages=-1,
        norm_eval=False,
        zero_init_residual=False,
    ),
    in_channels=64,
    stride=8,
    image_size=128,
    dim=128,
)
