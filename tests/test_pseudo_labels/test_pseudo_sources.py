"""Evidence in, annotations out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels.sources import (
    AffinityEvidence,
    Evidence,
    build_annotations,
)
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation
from pa_lib import GroupingConfig
from pa_lib.learned_ranking import DEFAULT_RANKER

PA_EXTRACT = dataclasses.asdict(GroupingConfig.ggn(use_globalization=0))


def square_affinity() -> np.ndarray:
    """A square object of 32 x 32 pixels, known from case B4: score 1.8."""
    affinity = np.full((1, 64, 64), 0.9, np.float32)
    affinity[:, 15:49, 15:49] = 0.1
    affinity[:, 17:47, 17:47] = 0.9
    return affinity


def affinity_source(**options):
    return TASK_UTILS.build(
        {'type': 'AffinitySource', 'pa_to_masks': PA_EXTRACT, **options}
    )


def box_rle(y: int, x: int, h: int, w: int, size: tuple[int, int]) -> dict:
    mask = np.zeros(size, np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_api.encode(mask)
    return {'size': list(size), 'counts': rle['counts'].decode()}


def test_another_ranker_is_another_run(tmp_path):
    ranker = json.loads(DEFAULT_RANKER.read_text())
    path = tmp_path / 'ranker.json'
    path.write_text(json.dumps({**ranker, 'output_bias': 0.5}))
    shipped, other = (
        affinity_source(pa_to_masks={'ranker': name}).parameters
        for name in (str(DEFAULT_RANKER), str(path))
    )
    assert shipped['ranker_sha256'] != other['ranker_sha256']
    assert 'ranker_sha256' not in affinity_source().parameters


def test_affinity_becomes_annotations_that_follow_the_schema():
    truth = box_rle(16, 16, 32, 16, (64, 64))  # half of the object
    evidence = AffinityEvidence(5, (64, 64), [truth], square_affinity())
    output = affinity_source().annotate(evidence)
    (ann,) = output.annotations
    check_pseudo_annotation(ann, 'here')
    assert json.loads(json.dumps(ann)) == ann
    assert ann['bbox'] == [16, 16, 32, 32]
    assert ann['area'] == 1024
    assert ann['score'] == pytest.approx(1.8, abs=1e-5)
    assert ann['gt_iou'] == 0.5
    assert (ann['rank'], ann['source'], ann['image_id']) == (0, 'pa', 5)
    assert set(output.seconds) == {'grouping', 'encoding'}


def test_masks_come_at_the_size_of_the_original_image():
    evidence = AffinityEvidence(5, (128, 192), (), square_affinity())
    (ann,) = affinity_source().annotate(evidence).annotations
    assert ann['segmentation']['size'] == [128, 192]
    assert ann['bbox'] == [48, 32, 96, 64]
    assert ann['area'] == 96 * 64
    assert ann['gt_iou'] == 0.0


def test_topk_and_min_score_limit_the_masks():
    rng = np.random.default_rng(0)
    noise = np.kron(rng.random((1, 8, 8)), np.ones((1, 8, 8))).astype(np.float32)
    noise = np.clip(noise + 0.05 * rng.random((1, 64, 64)), 0, 1).astype(np.float32)
    evidence = AffinityEvidence(1, (64, 64), (), noise)
    config = PA_EXTRACT | {'footprint_size': 5, 'filter_by_edge_method': 0}
    everything = affinity_source(topk=None, pa_to_masks=config).annotate(evidence)
    scores = [ann['score'] for ann in everything.annotations]
    assert len(scores) > 3
    assert scores == sorted(scores, reverse=True)
    three = affinity_source(topk=3, pa_to_masks=config).annotate(evidence)
    assert three.annotations == everything.annotations[:3]
    good = affinity_source(min_score=scores[1], topk=None, pa_to_masks=config)
    assert 1 <= len(good.annotate(evidence).annotations) <= 2


def test_a_map_without_objects_gives_nothing():
    flat = AffinityEvidence(1, (32, 32), (), np.full((1, 32, 32), 0.5, np.float32))
    assert affinity_source().annotate(flat).annotations == []


def test_masks_that_vanish_leave_no_gap_in_the_ranks():
    size = (8, 8)
    rles = [box_rle(0, 0, 2, 2, size), box_rle(0, 0, 0, 0, size)]
    anns = build_annotations(
        Evidence(1, size), [*rles, box_rle(4, 4, 3, 3, size)], [3.0, 2.0, 1.0], 'x'
    )
    assert [(ann['rank'], ann['score']) for ann in anns] == [(0, 3.0), (1, 1.0)]


def test_mistakes_in_the_parameters_are_named():
    with pytest.raises(ValueError, match='topk'):
        affinity_source(topk=0)
    with pytest.raises(ValueError, match='join_tresh'):
        affinity_source(pa_to_masks={'join_tresh': 1})


def test_parameters_tell_sources_apart():
    assert affinity_source().parameters == affinity_source().parameters
    assert affinity_source(topk=3).parameters != affinity_source().parameters
    json.dumps(affinity_source().parameters)


def test_a_results_file_is_a_source(write_json, make_rle):
    results = [
        {'image_id': 7, 'segmentation': make_rle(0, 0, 2, 2), 'score': 0.4},
        {'image_id': 7, 'segmentation': make_rle(1, 1, 4, 4), 'score': 0.9},
        {'image_id': 9, 'segmentation': make_rle(0, 0, 1, 1), 'score': 0.5},
    ]
    source = TASK_UTILS.build(
        {'type': 'FileSource', 'file': write_json('dt.json', results)}
    )
    anns = source.annotate(Evidence(7, (12, 16), [make_rle(1, 1, 4, 4)])).annotations
    assert [(a['rank'], a['score'], a['area']) for a in anns] == [
        (0, 0.9, 16),
        (1, 0.4, 4),
    ]
    assert anns[0]['gt_iou'] == 1.0
    assert source.annotate(Evidence(8, (12, 16))).annotations == []
    for ann in anns:
        check_pseudo_annotation(ann, 'here')
    with pytest.raises(ValueError, match=r'image_id 9 has size \[12, 16\]'):
        source.annotate(Evidence(9, (20, 20)))


def test_a_file_of_pseudo_annotations_is_a_source(write_json, make_annotation):
    path = write_json('m.json', [[make_annotation(7, 0), make_annotation(7, 1)]])
    source = TASK_UTILS.build({'type': 'FileSource', 'file': path, 'topk': 1})
    (ann,) = source.annotate(Evidence(7, (12, 16))).annotations
    assert (ann['score'], ann['source']) == (1.5, 'file')


def test_an_image_may_have_many_masks(write_json, make_rle):
    result = {'image_id': 7, 'segmentation': make_rle(0, 0, 2, 2), 'score': 0.4}
    path = write_json('dt.json', [result] * 300)
    source = TASK_UTILS.build({'type': 'FileSource', 'file': path, 'topk': None})
    anns = source.annotate(Evidence(7, (12, 16))).annotations
    assert [ann['rank'] for ann in anns] == list(range(300))
    assert {ann['area'] for ann in anns} == {4}


def test_a_broken_results_file_is_refused(write_json, make_rle):
    path = write_json(
        'dt.json', [{'image_id': 7, 'segmentation': make_rle(0, 0, 2, 2)}]
    )
    with pytest.raises(ValueError, match=r"dt\.json\[0\]: key 'score' is missing"):
        TASK_UTILS.build({'type': 'FileSource', 'file': path})
