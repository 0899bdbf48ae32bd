# A student and its teacher on the C4 network, both from one checkpoint of a teacher.
_base_ = './ov_mask_rcnn_r50_c4_bert.py'

detector = _base_.model
detector.roi_head.type = 'CMPLRoIHead'
detector.roi_head.mask_head.type = 'NoisyFCNMaskHead'
# Few instances an image, so fewer samples than of annotated objects.
detector.roi_head.pseudo_train_cfg = dict(sampler=dict(num=256))
model = dict(
    _delete_=True,
    type='CrossModalPseudoLabel',
    detector=detector,
    semi_train_cfg=dict(weighting=dict(mode='inv_sigma', value=0.01)),
)
