# Pseudo masks of the captions of COCO: BLIP sees where words are, pairwise affinity
# of the base classes proposes objects, a small network cuts them out.
vlm = dict(type='BlipMatcher', checkpoint='Salesforce/blip-itm-base-coco')
vocabulary = 'coco65'
captions = dict(
    ann_file='data/coco/annotations/captions_train2017.json',
    img_dir='data/coco/train2017',
    choose='cover',
)
parser = dict()
search = dict(type='IterativeMasking', rounds=3, batch_size=16)
source = dict(
    type='GradCamSource',
    preset='default',
    proposals=dict(
        type='AffinityProposals',
        config='configs/pairwise_affinity/pa_extract_ov-base.py',
        checkpoint='work_dirs/pa_train_ov-base/epoch_20.pth',
    ),
)
batch_size = 16
