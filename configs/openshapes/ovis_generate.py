# Pseudo masks of the captions of OpenShapes: the small image-text model sees where
# words are, and the masks of pairwise affinity are what is chosen among.
_base_ = [
    '../_base_/models/openshapes_image_text.py',
    '../_base_/datasets/openshapes_captions.py',
]

vlm = dict(
    type='ConvMatcher',
    # Larger than in training, for finer maps; and words attend more widely, so that
    # all of an object shows.
    network=_base_.image_text_network | dict(image_size=192, sharpness=1.0),
    vocab=_base_.openshapes_word_pieces,
    checkpoint='work_dirs/demo-ovis/image_text/epoch_20.pth',
)
vocabulary = _base_.openshapes_words
captions = dict(
    ann_file=_base_.openshapes_root + 'annotations/captions_train.json',
    img_dir=_base_.openshapes_root + 'train',
)
source = dict(
    type='GradCamSource',
    segmenter=dict(type='ProposalMaskSegmenter'),
    proposals=dict(
        type='AffinityProposals',
        config='configs/openshapes/pa_extract.py',
        checkpoint='work_dirs/demo-ovis/pa/epoch_5.pth',
        device='cpu',
    ),
)
