# A small image-text model, learnt from captions alone in minutes on a CPU: which text
# about an image is true, the caption or the same with a shape replaced?
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/openshapes_image_text.py',
    '../_base_/datasets/openshapes_captions.py',
    '../_base_/schedules/schedule_short.py',
]

# What CLIP, BLIP and ALBEF normalise with.
mean = [122.7709383, 116.7460125, 104.09373615]
std = [68.5005327, 66.6321579, 70.32316305]
model = dict(
    type='ImageTextMatcher',
    vocab=_base_.openshapes_word_pieces,
    words=_base_.openshapes_words,
    network=_base_.image_text_network,
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=mean, std=std, bgr_to_rgb=True
    ),
)

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=_base_.openshapes_captions_train,
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None

max_epochs = 20
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.002, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
warmup, cosine = _base_.short_schedule
param_scheduler = [warmup, cosine | dict(end=max_epochs, T_max=max_epochs)]
