"""The affinity detector: training, prediction, grouping and its light variants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from torch import nn

from mmdet_ovis.models.seg_heads import BaseAffinityHead

PREPROCESSOR = dict(
    type='DetDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_mask=False,
    pad_size_divisor=1,
)
EXTRACTION = dict(
    edge_thresh=0.0,
    join_thresh=1.0,
    rank_method=3,
    min_component_size=0,
    nms=0.2,
    filter_by_edge_method=2,
    filter_by_edge_thresh=0.9,
    use_orientation=True,
    use_globalization=0.5,
    use_new_affinity=False,
)


class IdentityBackbone(nn.Module):
    """Hand the input on as its only feature map."""

    def forward(self, x):
        return (x,)


class FixedAffinityHead(BaseAffinityHead):
    """Predict what the first input channels say: probabilities go in and out."""

    def forward(self, feats):
        return feats[0][:, : self.num_affinity].logit()


def fixed_model(test_cfg=None):
    return MODELS.build(
        dict(
            type='PairwiseAffinityPredictor',
            backbone=dict(type=IdentityBackbone),
            affinity_head=dict(type=FixedAffinityHead, num_affinity=1),
            test_cfg=test_cfg,
        )
    ).eval()


def tiny_model(**kwargs):
    """Return a ResNet-18 of an eighth of the width with a small head."""
    torch.manual_seed(0)
    cfg = dict(
        type='PairwiseAffinityPredictor',
        data_preprocessor=PREPROCESSOR,
        backbone=dict(type='ResNet', depth=18, base_channels=8, norm_eval=False),
        affinity_head=dict(
            type='UPerAffinityHead',
            in_channels=(8, 16, 32, 64),
            ppm_channels=16,
            channels=16,
            num_affinity=1,
        ),
    )
    model = MODELS.build(ConfigDict(cfg | kwargs))
    model.init_weights()
    return model


def raw_batch(make_sample, sizes):
    """Return what a data loader gives: unnormalised images of several sizes."""
    generator = torch.Generator().manual_seed(0)
    samples = [make_sample(size) for size in sizes]
    inputs = []
    for sample, size in zip(samples, sizes, strict=True):
        image = torch.randint(0, 80, (3, *size), generator=generator)
        for k, mask in enumerate(sample.gt_instances.masks.masks):
            image[k, torch.from_numpy(mask).bool()] += 150
        inputs.append(image.to(torch.uint8))
    return dict(inputs=inputs, data_samples=samples)


def ring_affinity() -> torch.Tensor:
    """A 32x32 square inside a 64x64 image, behind a ring of low affinity."""
    affinity = torch.full((64, 64), 0.9)
    affinity[15:49, 15:49] = 0.1
    affinity[17:47, 17:47] = 0.9
    return affinity[None, None]


# ------------------------------------------------------------------ training


def test_training_learns_the_interior_from_images_of_several_sizes(make_sample):
    model = tiny_model().train()
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    batch = raw_batch(make_sample, [(64, 80), (72, 64)])
    losses = [model.train_step(batch, optimizer)['loss_pa'].item() for _ in range(12)]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.85 * losses[0]
    with torch.no_grad():
        samples = model(**model.data_preprocessor(batch, True), mode='predict')
    for sample in samples:
        score, truth = sample.pred_affinity.data, sample.gt_affinity
        interior = score[truth.valid & (truth.target == 1)].mean()
        boundary = score[truth.valid & (truth.target < 1)].mean()
        assert interior > 1.3 * boundary


@pytest.mark.parametrize('boxes', [(), ((4, 4, 20, 24),)])
def test_every_parameter_has_a_finite_gradient(make_sample, boxes):
    model = tiny_model().train()
    loss = model.loss(torch.randn(2, 3, 64, 64), [make_sample((64, 64), boxes)] * 2)
    loss['loss_pa'].backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in gradients)
    assert any(grad.ne(0).any() for grad in gradients) == bool(boxes)


def test_bfloat16_autocast(make_sample):
    model = tiny_model().train()
    batch = model.data_preprocessor(raw_batch(make_sample, [(64, 64)] * 2), True)
    plain = model(**batch, mode='loss')['loss_pa']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = model(**batch, mode='loss')['loss_pa']
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(plain.item(), rel=0.05)
    assert all(p.grad.isfinite().all() for p in model.parameters())
    with torch.autocast('cpu', dtype=torch.bfloat16), torch.no_grad():
        samples = model.eval()(**batch, mode='predict')
    assert samples[0].pred_affinity.data.dtype == torch.float32


def test_detector_forwards_logits_through_a_neck():
    neck = dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4)
    head = dict(type='UPerAffinityHead', in_channels=(8,) * 4, ppm_channels=4)
    model = tiny_model(neck=neck, affinity_head=head | dict(channels=4)).eval()
    assert model.with_neck
    assert model(torch.randn(1, 3, 64, 96), mode='tensor').shape == (1, 8, 16, 24)


# ------------------------------------------------------------------ prediction


def test_predict_with_and_without_ground_truth_in_one_batch(make_sample):
    model = fixed_model()
    probabilities = torch.rand(2, 1, 50, 60)
    samples = [make_sample((40, 60)), make_sample((50, 40), boxes=None)]
    first, second = model(probabilities, samples, mode='predict')
    assert first.pred_affinity.data.shape == (1, 40, 60)
    assert second.pred_affinity.data.shape == (1, 50, 40)
    torch.testing.assert_close(second.pred_affinity.data, probabilities[1, :, :50, :40])
    truth = first.gt_affinity
    assert truth.target.shape == truth.valid.shape == truth.palette.shape
    assert truth.target.shape == (1, 40, 60)
    assert truth.palette.dtype == torch.int32
    assert truth.valid.dtype == torch.bool
    assert truth.palette.unique().tolist() == [0, 1, 2]
    for absent in ('gt_affinity', 'pred_instances', 'grouping'):
        if absent != 'gt_affinity':
            assert absent not in first
        assert absent not in second


def test_prediction_of_real_network_through_test_step(make_sample):
    model = tiny_model().eval()
    batch = raw_batch(make_sample, [(64, 80), (72, 64)])
    samples = model.test_step(batch)
    for sample, size in zip(samples, [(64, 80), (72, 64)], strict=True):
        data = sample.pred_affinity.data
        assert data.shape == (1, *size)
        assert data.min() >= 0
        assert data.max() <= 1


def test_ground_truth_without_instances_is_all_background(make_sample):
    (sample,) = fixed_model().predict(
        torch.rand(1, 1, 20, 20), [make_sample((20, 20), boxes=())]
    )
    assert not sample.gt_affinity.valid.any()


def test_pa_to_masks_groups_the_ring(make_sample):
    """Case B4, end to end."""
    model = fixed_model(ConfigDict(pa_to_masks=EXTRACTION))
    (sample,) = model.predict(ring_affinity(), [make_sample((64, 64), boxes=None)])
    found = sample.pred_instances
    assert found.masks.shape == (1, 64, 64)
    assert found.masks.dtype == torch.bool
    assert found.masks[0, 16:48, 16:48].all()
    assert found.masks.sum() == 1024
    assert found.bboxes.tolist() == [[16, 16, 48, 48]]
    assert found.labels.tolist() == [0]
    assert found.scores.tolist() == pytest.approx([1.8], abs=1e-5)
    assert sample.grouping.boxes.tolist() == [[16, 16, 32, 32]]


def test_masks_are_rescaled_to_the_original_image(make_sample):
    model = fixed_model(dict(pa_to_masks=EXTRACTION))
    meta = dict(boxes=None, ori_shape=(128, 128), scale_factor=(0.5, 0.5))
    (sample,) = model.predict(ring_affinity(), [make_sample((64, 64), **meta)])
    assert sample.pred_instances.masks.shape == (1, 128, 128)
    assert sample.pred_instances.masks.sum() == 4096
    assert sample.pred_instances.bboxes.tolist() == [[32, 32, 96, 96]]
    assert sample.pred_affinity.data.shape == (1, 64, 64)
    (sample,) = model.predict(
        ring_affinity(), [make_sample((64, 64), **meta)], rescale=False
    )
    assert sample.pred_instances.masks.shape == (1, 64, 64)


def test_padding_takes_no_part_in_grouping(make_sample):
    model = fixed_model(dict(pa_to_masks=EXTRACTION))
    padded = torch.rand(1, 1, 70, 96)
    padded[..., :64, :64] = ring_affinity()
    (sample,) = model.predict(padded, [make_sample((64, 64), boxes=None)])
    assert sample.pred_instances.bboxes.tolist() == [[16, 16, 48, 48]]


def test_constant_affinity_gives_typed_empty_instances(make_sample):
    model = fixed_model(dict(pa_to_masks=EXTRACTION))
    affinity = torch.full((1, 1, 32, 48), 0.5)
    (sample,) = model.predict(affinity, [make_sample((32, 48), boxes=None)])
    found = sample.pred_instances
    assert found.masks.shape == (0, 32, 48)
    assert found.bboxes.shape == (0, 4)
    assert len(found.scores) == len(found.labels) == 0


def test_max_per_img_keeps_the_best(make_sample):
    torch.manual_seed(0)
    affinity = torch.rand(1, 1, 64, 64)
    options = EXTRACTION | dict(filter_by_edge_method=0, use_globalization=0.0)
    sample = make_sample((64, 64), boxes=None)
    full = fixed_model(dict(pa_to_masks=options)).predict(affinity, [sample.clone()])
    cut = fixed_model(dict(pa_to_masks=options, max_per_img=2)).predict(
        affinity, [sample.clone()]
    )
    assert len(full[0].pred_instances) > 2
    assert len(cut[0].pred_instances) == 2
    best = full[0].pred_instances.scores[:2]
    assert torch.equal(cut[0].pred_instances.scores, best)
    assert (full[0].pred_instances.scores.diff() <= 0).all()


def test_affinity_that_is_not_finite_names_the_image(make_sample):
    model = fixed_model(dict(pa_to_masks=EXTRACTION))
    affinity = torch.full((1, 1, 32, 32), float('nan'))
    with pytest.raises(ValueError, match=r'a\.jpg: cannot group .*(?i:nan)'):
        model.predict(affinity, [make_sample((32, 32), boxes=None)])


# ------------------------------------------------------------------ configuration


def test_test_cfg_is_checked_when_the_model_is_built():
    assert fixed_model(dict(pa_to_masks=None)).grouping_cfg is None
    with pytest.raises(ValueError, match=r"unknown keys \['pa_to_mask'\] in test_cfg"):
        fixed_model(dict(pa_to_mask=EXTRACTION))
    with pytest.raises(ValueError, match='join_tresh'):
        fixed_model(dict(pa_to_masks=dict(join_tresh=0.5)))
    with pytest.raises(ValueError, match='max_per_img must be at least 1'):
        fixed_model(dict(pa_to_masks=EXTRACTION, max_per_img=0))


@pytest.mark.parametrize(
    ('backbone', 'channels'),
    [
        (dict(type='ResNet', depth=18), (64, 128, 256, 512)),
        (dict(type='MobileNetV2', out_indices=(1, 2, 4, 7)), (24, 32, 96, 1280)),
    ],
)
def test_light_variants_need_only_other_channels(make_sample, backbone, channels):
    head = dict(
        type='UPerAffinityHead',
        in_channels=channels,
        ppm_channels=16,
        channels=16,
        num_affinity=1,
    )
    model = tiny_model(backbone=backbone, affinity_head=head).train()
    loss = model.loss(torch.randn(2, 3, 64, 64), [make_sample((64, 64))] * 2)
    loss['loss_pa'].backward()
    assert loss['loss_pa'].isfinite()


def test_case_a9_resnet50_end_to_end(make_sample):
    """Logits at stride 4, prediction at the size of the input."""
    backbone = dict(type='ResNet', depth=50, style='pytorch', norm_eval=False)
    head = dict(type='UPerAffinityHead', num_affinity=1)
    model = tiny_model(backbone=backbone, affinity_head=head).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert model(image, mode='tensor').shape == (1, 1, 16, 24)
        (sample,) = model.predict(image, [make_sample((64, 96))])
    assert sample.pred_affinity.data.shape == (1, 64, 96)
