# OVR-CNN's pretraining on the captions of COCO: where CMPL's teacher starts. Its
# detector takes backbone, res5 and fc_emb by their names:
#     load_from = 'work_dirs/ovr_pretrain_r50-c4_40k_coco-captions/iter_40000.pth'
# Weights that OVR-CNN released serve as well: tools/model_converters/convert_cmpl.py.
_base_ = [
    '../_base_/models/caption_grounding_r50_c4.py',
    '../_base_/datasets/coco_captions.py',
    '../_base_/schedules/schedule_40k_pretrain.py',
    '../_base_/ov_runtime.py',
]

custom_hooks = []  # no vocabulary: words are those of each caption
images = _base_.train_dataloader.dataset
train_dataloader = dict(
    batch_size=8,  # of 8 GPUs
    dataset=dict(
        _delete_=True,
        type='CaptionDataset',
        data_root=images.data_root,
        ann_file=images.ann_file,
        data_prefix=images.data_prefix,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1333, 800), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='ChooseCaption'),
            dict(
                type='PackDetInputs',
                meta_keys=(
                    *('img_id', 'img_path', 'img_shape', 'ori_shape'),
                    *('scale_factor', 'flip', 'flip_direction', 'caption'),
                ),
            ),
        ],
    ),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
