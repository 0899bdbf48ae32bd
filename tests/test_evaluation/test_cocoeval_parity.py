"""Where no class is left out, the numbers are those of pycocotools."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdet_ovis.evaluation.coco_objects import GroundTruth, Results
from mmdet_ovis.evaluation.coco_shapes import shape_areas, shape_ious
from mmdet_ovis.evaluation.functional.matching import match_greedy
from mmdet_ovis.evaluation.functional.open_world_recall import (
    AREA_RANGES,
    evaluate_image,
)
from mmdet_ovis.evaluation.functional.recall_summary import accumulate

BUDGETS = (1, 5, 20, 100, 150)
HEIGHT, WIDTH = 160, 200
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def ellipse(box):
    x, y, w, h = box
    inside = ((COLUMNS - x) / w - 0.5) ** 2 + ((ROWS - y) / h - 0.5) ** 2 <= 0.25
    rle = mask_utils.encode(np.asfortranarray(inside.astype(np.uint8)))
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


def make_scene(seed, iou_type, num_images=6, crowds=True):
    """Make objects of all sizes, some overlapping, and detections on and off them.

    Boxes and scores are rounded, so that IoUs and scores tie. One image has no object,
    one no detection.
    """
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image_id in range(num_images):
        count = 0 if image_id == 0 else rng.integers(1, 12)
        sizes = np.exp(rng.normal(3.4, 0.8, (count, 2))).clip(6, 130)
        boxes = np.hstack([rng.uniform(0, 100, (count, 2)), sizes]).round()
        if count > 2:
            boxes[1] = boxes[0]  # two objects in the same place
        for box in boxes:
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': int(rng.integers(1, 4)),
                    'bbox': box.tolist(),
                    'area': float(box[2] * box[3]),
                    'iscrowd': int(crowds and rng.random() < 0.15),
                }
            )
        near = np.repeat(boxes, 6, axis=0) * rng.uniform(0.8, 1.2, (6 * count, 4))
        far = np.hstack([rng.uniform(0, 100, (130, 2)), rng.uniform(4, 60, (130, 2))])
        for box in [] if image_id == 1 else [*near.round(), *far.round()]:
            results.append(
                {
                    'image_id': image_id,
                    'category_id': int(rng.integers(1, 4)),
                    'bbox': box.tolist(),
                    'score': float(rng.random().__round__(2)),
                }
            )
    if iou_type == 'segm':
        for entry in [*annotations, *results]:
            entry['segmentation'] = ellipse(entry['bbox'])
    dataset = {
        'images': [
            {'id': i, 'height': HEIGHT, 'width': WIDTH} for i in range(num_images)
        ],
        'categories': [{'id': i, 'name': f'class {i}'} for i in (1, 2, 3)],
        'annotations': annotations,
    }
    return dataset, results


class SplitEval(COCOeval):
    """COCOeval that ignores some categories and may drop detections matched to them."""

    left_out = ()
    drop = False

    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for annotation in objects:
                annotation['ignore'] |= annotation['category_id'] in self.left_out

    def evaluateImg(self, *args):  # noqa: N802
        result = super().evaluateImg(*args)
        if result is None or not self.drop:
            return result
        gone = [
            annotation['id']
            for annotation in self.cocoGt.anns.values()
            if annotation['category_id'] in self.left_out
        ]
        keep = ~np.isin(result['dtMatches'][0], gone)
        for key in ('dtMatches', 'dtIgnore'):
            result[key] = result[key][:, keep]
        for key in ('dtIds', 'dtScores'):
            result[key] = list(np.array(result[key])[keep])
        return result


def reference(dataset, results, iou_type, left_out=(), drop=False):
    """Return recall (A, T, K) and precision with 100 detections (A, T, 101)."""
    coco = COCO()
    coco.dataset = copy.deepcopy(dataset)
    results = copy.deepcopy(results)
    if iou_type == 'segm':
        for result in results:
            del result['bbox']  # else COCO takes the area of the box for the mask's
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = SplitEval(coco, coco.loadRes(results), iou_type)
        evaluation.left_out, evaluation.drop = left_out, drop
        evaluation.params.useCats = 0
        evaluation.params.maxDets = list(BUDGETS)
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval['recall'][:, 0]  # T x A x K
    precision = evaluation.eval['precision'][:, :, 0, :, BUDGETS.index(100)]
    return recall.swapaxes(0, 1), precision.transpose(2, 0, 1)


def ours(dataset, results, iou_type, protocol='xclass', left_out=()):
    ground_truth = GroundTruth(dataset, 'gt')
    detections = Results(results, ground_truth, 'dt')
    outcomes = []
    for image_id in ground_truth.image_ids:
        objects = ground_truth.objects(image_id, iou_type)
        best = detections.detections(image_id, iou_type).best(BUDGETS[-1])
        outcomes.append(
            evaluate_image(
                shape_ious(best.shapes, objects.shapes, objects.crowd),
                best.scores,
                shape_areas(best.shapes),
                objects.areas,
                objects.crowd,
                ~np.isin(objects.category_ids, left_out)[None],
                protocol,
                BUDGETS,
            )
        )
    curves = accumulate(outcomes)
    return curves.recall[0], curves.precision[0]


@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
@pytest.mark.parametrize('crowds', [False, True])
@pytest.mark.parametrize('seed', [0, 1])
def test_recall_and_precision_equal_cocoeval_bit_by_bit(seed, crowds, iou_type):
    dataset, results = make_scene(seed, iou_type, crowds=crowds)
    recall, precision = ours(dataset, results, iou_type)
    expected_recall, expected_precision = reference(dataset, results, iou_type)
    assert 0.05 < expected_recall[0].mean() < 0.95
    np.testing.assert_array_equal(recall, expected_recall)
    np.testing.assert_array_equal(precision, expected_precision)


@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
@pytest.mark.parametrize('protocol', ['xclass', 'coco_ignore', 'filtered_gt'])
def test_protocols_equal_cocoeval_with_its_matches_edited(protocol, iou_type):
    """The three protocols, made out of pycocotools, on scenes with crowds and ties."""
    dataset, results = make_scene(4, iou_type)
    got = ours(dataset, results, iou_type, protocol, left_out=[1, 2])
    if protocol == 'filtered_gt':
        annotations = [a for a in dataset['annotations'] if a['category_id'] == 3]
        dataset = {**dataset, 'annotations': annotations}
        expected = reference(dataset, results, iou_type)
    else:
        expected = reference(dataset, results, iou_type, [1, 2], protocol == 'xclass')
    assert 0.05 < expected[0][0].mean() < 0.95
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.parametrize('protocol', ['coco_ignore', 'filtered_gt'])
def test_protocols_do_not_matter_when_every_class_counts(protocol):
    dataset, results = make_scene(5, 'bbox')
    recall, precision = ours(dataset, results, 'bbox', protocol)
    expected_recall, expected_precision = ours(dataset, results, 'bbox', 'xclass')
    np.testing.assert_array_equal(recall, expected_recall)
    np.testing.assert_array_equal(precision, expected_precision)


def test_large_areas_are_absent_in_small_images():
    """An area range without objects is -1 on both sides."""
    dataset, results = make_scene(2, 'bbox')
    for annotation in dataset['annotations']:
        annotation['area'] = 50.0
    recall, precision = ours(dataset, results, 'bbox')
    expected_recall, expected_precision = reference(dataset, results, 'bbox')
    large = list(AREA_RANGES).index('l')
    assert (recall[large] == -1).all()
    np.testing.assert_array_equal(recall, expected_recall)
    np.testing.assert_array_equal(precision, expected_precision)


def match_one_by_one(ious, ignored, crowd, absent, thresholds):
    """The rules of `match_greedy` as plain loops."""
    matches = np.full((len(ignored), len(thresholds), len(ious)), -1)
    for lane, t in np.ndindex(len(ignored), len(thresholds)):
        taken = set()
        for d, row in enumerate(ious):
            candidates = [
                (not ignored[lane, g], iou, g)
                for g, iou in enumerate(row)
                if iou >= thresholds[t]
                and not absent[lane, g]
                and (crowd[g] or g not in taken)
            ]
            if candidates:
                matches[lane, t, d] = max(candidates)[2]
                taken.add(matches[lane, t, d])
    return matches


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 5), st.floats(0, 1)
)
def test_matching_equals_plain_loops(seed, num_dets, num_objects, density):
    rng = np.random.default_rng(seed)
    # Multiples of 0.1 tie often, with each other and with the thresholds.
    ious = rng.integers(0, 11, (num_dets, num_objects)) / 10
    ious *= rng.random(ious.shape) < density
    ignored, absent = rng.random((2, 3, num_objects)) < 0.3
    crowd = rng.random(num_objects) < 0.3
    thresholds = [0.5, 0.7, 0.9]
    np.testing.assert_array_equal(
        match_greedy(ious, ignored, crowd, absent, thresholds),
        match_one_by_one(ious, ignored, crowd, absent, thresholds),
    )
