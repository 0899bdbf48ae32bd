"""`PairwiseAffinityMetric` on samples whose masks are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData, PixelData

import mmdet_ovis.evaluation  # noqa: F401  (registers the metric)
from mmdet_ovis.evaluation.functional.boundary import instance_boundary
from pa_lib import GroupingConfig, group

SIZE = (32, 48)


def make_palette():
    palette = np.zeros(SIZE, dtype=np.int32)
    palette[4:28, 4:20] = 1
    palette[4:28, 26:44] = 2
    return palette


def make_sample(prediction=None, is_seen=None, with_grouping=True, channels=1):
    """Make a sample whose affinity is 0.1 on boundaries and 0.9 elsewhere."""
    palette = make_palette()
    interior = np.where(instance_boundary(palette), 0.1, 0.9).astype(np.float32)
    target = np.repeat(interior[None], channels, axis=0)
    prediction = target if prediction is None else prediction
    sample = DetDataSample(metainfo={'img_id': 1, 'img_path': 'a.jpg'})
    sample.pred_affinity = PixelData(data=torch.from_numpy(prediction))
    sample.gt_affinity = PixelData(
        target=torch.from_numpy(target),
        valid=torch.ones(target.shape, dtype=torch.bool),
        palette=torch.from_numpy(palette[None]),
    )
    masks = np.stack([palette == 1, palette == 2]).astype(np.uint8)
    sample.gt_instances = InstanceData(masks=BitmapMasks(masks, *SIZE))
    if is_seen is not None:
        sample.gt_instances.is_seen = torch.tensor(is_seen)
    if with_grouping:
        sample.set_field(group(prediction, GroupingConfig()), 'grouping')
    return sample


def run(samples, **options):
    config = {'type': 'PairwiseAffinityMetric', **options}
    evaluator = Evaluator(METRICS.build(config))
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


def test_perfect_affinity():
    metrics = run([make_sample()])
    for tolerance in (0, 2):
        for name in ('ODS', 'OIS', 'AP', 'precision', 'recall'):
            assert metrics[f'pa/boundary_{name}_{tolerance}px'] == 1
    assert metrics['pa/affinity_MAE'] == 0
    assert metrics['pa/affinity_ECE'] == 0
    assert metrics['pa/affinity_BCE'] == pytest.approx(
        -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)), abs=1e-5
    )


def test_grouping_of_separate_objects_finds_both():
    metrics = run([make_sample()])
    assert metrics['pa/tree_recall'] >= metrics['pa/proposal_AR@all'] > 0.5
    assert metrics['pa/proposal_AR@1'] <= 0.5
    assert metrics['pa/proposal_AR@10'] == metrics['pa/proposal_AR@all']
    assert metrics['pa/num_leaves'] >= 3
    assert metrics['pa/num_segments'] == 2 * metrics['pa/num_leaves'] - 1
    assert metrics['pa/seconds_total'] > 0


def test_metrics_are_plain_numbers_without_nan():
    metrics = run([make_sample(is_seen=[True, False])])
    text = json.dumps(metrics, allow_nan=False)
    assert json.loads(text) == metrics
    assert not any('/' in key.removeprefix('pa/') for key in metrics)


def test_seen_and_unseen_objects_in_one_pass():
    metrics = run(
        [make_sample(is_seen=[True, False]), make_sample(is_seen=[True, True])]
    )
    for name in ('proposal_AR@1', 'proposal_AR@all', 'leaf_recall', 'tree_recall'):
        whole = metrics[f'pa/{name}']
        seen, unseen = metrics[f'pa/seen_{name}'], metrics[f'pa/unseen_{name}']
        assert whole == pytest.approx((3 * seen + unseen) / 4)


def test_without_flags_there_is_no_split():
    assert not any('seen' in key for key in run([make_sample()]))


def test_the_numbers_of_the_reference_and_a_word_on_their_use(caplog):
    """The reference code's four errors; the outer ones say nothing here."""
    sample = make_sample(with_grouping=False)
    sample.gt_affinity.target = (sample.gt_affinity.target > 0.5).float()
    both = run([sample])
    assert both['pa/inner_pa_l1'] == pytest.approx(0.1, abs=1e-5)
    assert both['pa/outer_pa_l1'] == pytest.approx(0.1, abs=1e-5)
    assert both['pa/outer_pa_ce'] == pytest.approx(-np.log(0.9), abs=1e-5)
    assert both['pa/inner_pa_share'] + both['pa/outer_pa_share'] == 1

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        sample.gt_affinity.target[sample.gt_affinity.target == 0] = 0.125
        assert run([sample])['pa/outer_pa_share'] == 0
    finally:
        logger.removeHandler(caplog.handler)
    assert 'outer_pa_ce and outer_pa_l1 mean nothing: only 0.0000 %' in caplog.text
    assert 'inner_pa_ce and' not in caplog.text


def test_recall_by_iou_is_in_the_log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        metrics = run([make_sample()])
    finally:
        logger.removeHandler(caplog.handler)
    (mean,) = (line for line in caplog.text.splitlines() if line.startswith('| mean '))
    values = [float(cell) for cell in mean.split('|')[2:-1]]
    assert len(values) == 9
    assert values[-1] == pytest.approx(metrics['pa/proposal_AR@all'], abs=1e-4)
    assert '| 0.95 ' in caplog.text
    assert metrics['pa/num_objects'] == 2


def test_without_grouping_only_the_affinity_is_measured():
    metrics = run([make_sample(with_grouping=False)])
    assert 'pa/boundary_ODS_2px' in metrics
    assert not any('proposal' in key or 'seconds' in key for key in metrics)


def test_tolerances_are_options():
    assert 'pa/boundary_AP_1px' in run([make_sample()], tolerances=[1])


def test_channels_across_the_frame_are_left_out():
    """Channel 0 looks up; what it says in the top row was never supervised."""
    sample = make_sample(channels=8, with_grouping=False)
    sample.pred_affinity.data[0, 0] = 0
    assert run([sample])['pa/boundary_precision_0px'] == 1
    sample.pred_affinity.data[0, 1] = 0
    assert run([sample])['pa/boundary_precision_0px'] < 1


def test_constant_affinity_has_no_proposal_and_does_not_fail():
    constant = np.full((1, *SIZE), 0.5, dtype=np.float32)
    metrics = run([make_sample(constant)])
    assert metrics['pa/proposal_AR@all'] == 0
    assert metrics['pa/num_proposals'] == 0
    assert metrics['pa/boundary_recall_0px'] == 1


def test_image_without_objects_counts_nothing():
    empty = make_sample()
    empty.gt_instances = InstanceData(masks=BitmapMasks(np.zeros((0, *SIZE)), *SIZE))
    empty.gt_affinity = PixelData(
        target=torch.ones(1, *SIZE),
        valid=torch.zeros(1, *SIZE, dtype=torch.bool),
        palette=torch.zeros(1, *SIZE, dtype=torch.int32),
    )
    alone = run([empty])
    assert alone['pa/boundary_ODS_0px'] == alone['pa/proposal_AR@all'] == -1
    assert alone['pa/affinity_MAE'] == -1
    both, one = run([empty, make_sample()]), run([make_sample()])
    for key in ('boundary_ODS_2px', 'affinity_BCE', 'proposal_AR@10', 'tree_recall'):
        assert both[f'pa/{key}'] == one[f'pa/{key}']


def test_legacy_strict_needs_more_than_the_threshold():
    """A proposal of IoU exactly 0.5 with the only object."""
    sample = make_sample()
    box = np.zeros((1, *SIZE), dtype=np.uint8)
    rows, columns = np.nonzero(sample.grouping.masks(1)[0])
    half = len(rows) // 2
    assert len(rows) == 2 * half
    box[0, rows[:half], columns[:half]] = 1
    sample.gt_instances = InstanceData(masks=BitmapMasks(box, *SIZE))
    assert run([sample])['pa/proposal_AR@1'] == pytest.approx(0.1)
    assert run([sample], legacy_strict=True)['pa/proposal_AR@1'] == 0


@pytest.mark.parametrize('name', ['pred_affinity', 'gt_affinity'])
def test_missing_field_is_named(name):
    sample = make_sample()
    delattr(sample, name)
    with pytest.raises(ValueError, match=rf"a\.jpg has no '{name}'.*with_mask=True"):
        run([sample])


def test_other_number_of_channels_is_refused():
    sample = make_sample(with_grouping=False)
    sample.pred_affinity = PixelData(data=torch.rand(8, *SIZE))
    with pytest.raises(ValueError, match='differ in shape'):
        run([sample])


def test_nan_is_refused():
    sample = make_sample(with_grouping=False)
    sample.pred_affinity.data[0, 3, 3] = float('nan')
    with pytest.raises(ValueError, match='NaN'):
        run([sample])


def test_masks_at_another_scale_are_refused():
    sample = make_sample()
    masks = BitmapMasks(np.zeros((1, 64, 96)), 64, 96)
    sample.gt_instances = InstanceData(masks=masks)
    with pytest.raises(ValueError, match='size'):
        run([sample])
