import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS

from mmdet_ovis.datasets.transforms import LoadInstanceFlags, PackInstanceInputs


def _results():
    return {
        'img': np.zeros((4, 6, 3), dtype=np.uint8),
        'gt_bboxes_labels': np.zeros(3, dtype=np.int64),
        'gt_ignore_flags': np.array([False, True, False]),
        'instances': [
            {'is_seen': True},
            {'is_seen': True},
            {
                'is_seen': False,
                'is_pseudo': True,
                'pseudo_score': 1.5,
                'loss_weight': 0.25,
            },
        ],
    }


def test_marks_reach_the_data_sample_without_ignored_instances():
    results = LoadInstanceFlags().transform(_results())
    sample = PackInstanceInputs(meta_keys=()).transform(results)['data_samples']
    gt = sample.gt_instances
    assert gt.is_seen.tolist() == [True, False]
    assert gt.is_pseudo.tolist() == [False, True]
    assert torch.equal(gt.pseudo_scores, torch.tensor([1.0, 1.5]))
    assert torch.equal(gt.loss_weights, torch.tensor([1.0, 0.25]))
    assert len(sample.ignored_instances) == 1


def test_images_without_instances():
    results = _results() | {
        'instances': [],
        'gt_bboxes_labels': np.zeros(0, dtype=np.int64),
        'gt_ignore_flags': np.zeros(0, dtype=bool),
    }
    sample = PackInstanceInputs(meta_keys=()).transform(
        LoadInstanceFlags().transform(results)
    )['data_samples']
    assert sample.gt_instances.is_seen.shape == (0,)


def test_marks_of_instances_that_a_transform_dropped_are_refused():
    results = LoadInstanceFlags().transform(_results())
    for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
        results[key] = results[key][:2]
    with pytest.raises(ValueError, match=r'3 marks .* for 2 instances; leave out'):
        PackInstanceInputs(meta_keys=()).transform(results)


def test_pipelines_without_annotations():
    packed = PackInstanceInputs(meta_keys=()).transform({'img': _results()['img']})
    assert packed['inputs'].shape == (3, 4, 6)
    assert 'is_seen' not in packed['data_samples'].gt_instances


def test_registered():
    assert TRANSFORMS.get('LoadInstanceFlags') is LoadInstanceFlags
    assert TRANSFORMS.get('PackInstanceInputs') is PackInstanceInputs
