# MobileNetV2 in place of a ResNet. Batches are small where it is used, so the
# statistics of the pretraining are kept.
mobilenet_v2 = dict(
    _delete_=True,
    type='MobileNetV2',
    out_indices=(1, 2, 4, 7),
    norm_eval=True,
    init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
)
mobilenet_v2_channels = [24, 32, 96, 1280]
