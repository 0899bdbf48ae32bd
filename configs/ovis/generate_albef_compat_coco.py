# As the code of Mask-free OVIS does it (VS et al., CVPR 2023): ALBEF, one caption an
# image, proposals from its pickles, and all of its steps and roundings.
_base_ = './generate_blip_pa_coco.py'

vlm = dict(
    _delete_=True,
    type='AlbefMatcher',
    checkpoint='data/albef/ALBEF.pth',
    vocab='data/albef/vocab.txt',
)
captions = dict(choose='first')
parser = dict(match='first')
search = dict(
    paint='joint',
    upsample='nearest',
    stop_ratio=0.0,
)
source = dict(
    _delete_=True,
    type='GradCamSource',
    preset='compat',
    proposals=dict(type='UpstreamPickleProposals', folder='data/ovis_proposals'),
)
