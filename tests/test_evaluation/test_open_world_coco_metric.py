"""`OpenWorldCocoMetric` on data samples as the test loop hands them over."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

import mmdet_ovis.evaluation  # noqa: F401  (registers the metric)
from mmdet_ovis.apis.evaluation import evaluate_recall

SIZE = (50, 70)
OBJECTS = {
    3: [('dog', (5, 5, 20, 20)), ('kite', (40, 10, 20, 30))],
    5: [('kite', (10, 10, 12, 30)), ('cup', (30, 5, 30, 30))],
    8: [],
}
CATEGORIES = {'dog': 2, 'kite': 11, 'cup': 12}


@pytest.fixture
def ann_file(tmp_path):
    annotations = [
        {'image_id': image_id, 'category_id': CATEGORIES[name], 'bbox': box}
        for image_id, objects in OBJECTS.items()
        for name, box in objects
    ]
    for index, annotation in enumerate(annotations):
        x, y, w, h = annotation['bbox']
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        annotation.update(id=index, area=w * h, iscrowd=0, segmentation=[polygon])
    dataset = {
        'images': [{'id': i, 'height': SIZE[0], 'width': SIZE[1]} for i in OBJECTS],
        'categories': [{'id': i, 'name': name} for name, i in CATEGORIES.items()],
        'annotations': annotations,
    }
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(dataset))
    return str(path)


def sample(image_id, seed=0, num_labels=1, with_masks=True):
    """Make detections around the objects of an image and off them."""
    rng = np.random.default_rng(seed + image_id)
    boxes = np.array([box for _, box in OBJECTS[image_id]] * 4, float).reshape(-1, 4)
    boxes = np.vstack([boxes + rng.normal(0, 2, boxes.shape), [[1, 1, 5, 5]] * 3])
    boxes[:, 2:] += boxes[:, :2]
    masks = np.zeros((len(boxes), *SIZE), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    instances = InstanceData(
        bboxes=torch.from_numpy(boxes).float(),
        scores=torch.from_numpy(rng.random(len(boxes))).float(),
        labels=torch.from_numpy(rng.integers(0, num_labels, len(boxes))),
    )
    if with_masks:
        instances.masks = torch.from_numpy(masks)
    metainfo = {'img_id': image_id, 'ori_shape': SIZE}
    return DetDataSample(metainfo=metainfo, pred_instances=instances)


def run(ann_file, samples, classes=('object',), **options):
    options.setdefault('eval_class', ['kite'])
    config = {'type': 'OpenWorldCocoMetric', 'ann_file': ann_file, **options}
    evaluator = Evaluator(METRICS.build(config))
    evaluator.dataset_meta = {'classes': classes}
    for data_sample in samples:
        evaluator.process([data_sample])
    return evaluator.evaluate(len(samples))


def test_equals_the_evaluation_of_its_own_results_files(ann_file, tmp_path):
    prefix = tmp_path / 'results' / 'run'
    samples = [sample(i) for i in OBJECTS]
    options = {'metric': ['bbox', 'segm'], 'outfile_prefix': str(prefix)}
    metrics = run(ann_file, samples, **options)
    files = sorted(path.name for path in prefix.parent.iterdir())
    assert files == ['run.bbox.json', 'run.segm.json']
    for iou_type in ('bbox', 'segm'):
        expected = evaluate_recall(
            ann_file,
            prefix.with_name(f'run.{iou_type}.json'),
            eval_class=['kite'],
            iou_types=[iou_type],
        )
        assert 0 < expected[f'{iou_type}_AR@100'] < 1
        for key, value in expected.items():
            assert metrics[f'coco/{key}'] == value


def test_labels_do_not_matter(ann_file):
    agnostic = run(ann_file, [sample(i) for i in OBJECTS])
    aware = [sample(i, num_labels=3) for i in OBJECTS]
    for data_sample, plain in zip(aware, map(sample, OBJECTS), strict=True):
        data_sample.pred_instances.scores = plain.pred_instances.scores
    assert run(ann_file, aware, classes=tuple(CATEGORIES)) == agnostic
    assert run(ann_file, aware, classes=('object',)) == agnostic


@pytest.mark.parametrize(
    ('classes', 'num_labels', 'expected'),
    [
        (tuple(CATEGORIES), 3, {2, 11, 12}),
        (('object',), 1, {2}),
        (('object',), 3, {2}),
    ],
)
def test_results_carry_category_ids_of_the_file(
    ann_file, tmp_path, classes, num_labels, expected
):
    prefix = str(tmp_path / 'run')
    samples = [sample(i, num_labels=num_labels) for i in OBJECTS]
    options = {'format_only': True, 'outfile_prefix': prefix}
    assert run(ann_file, samples, classes=classes, **options) == {}
    written = json.loads((tmp_path / 'run.segm.json').read_text())
    assert {x['category_id'] for x in written} == expected


def test_order_of_images_does_not_matter(ann_file):
    """Processes hand in their images interleaved."""
    samples = [sample(i) for i in OBJECTS]
    assert run(ann_file, samples[::-1]) == run(ann_file, samples)


def test_two_processes_give_the_metrics_of_one(ann_file):
    parts = []
    for image_ids in ([3, 8], [5]):
        metric = METRICS.build(
            {'type': 'OpenWorldCocoMetric', 'ann_file': ann_file, 'eval_class': 'all'}
        )
        metric.process({}, [sample(i).to_dict() for i in image_ids])
        parts.append(metric)
    first, second = parts
    first.results.extend(second.results)
    together = run(ann_file, [sample(i) for i in OBJECTS], eval_class='all')
    assert first.evaluate(3) == together


def test_detections_do_not_stay_in_memory(ann_file, tmp_path):
    """What is kept of an image does not grow with its detections."""

    def size(repeat, **options):
        config = {'type': 'OpenWorldCocoMetric', 'ann_file': ann_file, **options}
        metric = METRICS.build({**config, 'eval_class': 'all'})
        data_sample = sample(3)
        instances = data_sample.pred_instances
        data_sample.pred_instances = InstanceData.cat([instances] * repeat)
        metric.process({}, [data_sample.to_dict()])
        return len(pickle.dumps(metric.results))

    assert size(500) < size(50) * 1.1
    written = {'outfile_prefix': str(tmp_path / 'run')}
    assert size(500, **written) > 5 * size(50, **written)


def test_mask_scores_rank_the_masks(ann_file):
    samples = [sample(i) for i in OBJECTS]
    expected = run(ann_file, samples, metric='segm')
    for data_sample in samples:
        instances = data_sample.pred_instances
        instances.mask_scores = instances.scores
        instances.scores = 1 - instances.scores
    assert run(ann_file, samples, metric='segm') == expected


def test_images_without_detections_or_prediction_find_nothing(ann_file, caplog):
    samples = [sample(i) for i in OBJECTS]
    for data_sample in samples:
        data_sample.pred_instances = data_sample.pred_instances[:0]
    metrics = run(ann_file, samples, metric=['bbox', 'segm'])
    assert metrics['coco/bbox_AR@100'] == metrics['coco/segm_AR@100'] == 0
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    partial = run(ann_file, [sample(3)], eval_class='all')
    logger.removeHandler(caplog.handler)
    assert '2 of 3 images of' in caplog.text
    assert 0 < partial['coco/segm_AR@100'] <= 0.5


def test_prediction_of_another_image_is_refused(ann_file):
    stranger = sample(3)
    stranger.set_metainfo({'img_id': 99})
    with pytest.raises(ValueError, match=r"image 99: 'image_id' 99 is not an image of"):
        run(ann_file, [stranger])


def test_prediction_of_another_size_is_refused(ann_file):
    resized = sample(3)
    instances = resized.pred_instances
    resized.pred_instances = InstanceData(
        bboxes=instances.bboxes,
        scores=instances.scores,
        labels=instances.labels,
        masks=instances.masks[:, :40],
    )
    with pytest.raises(ValueError, match=r'image 3: a mask has size \[40, 70\]'):
        run(ann_file, [resized])


def test_masks_are_needed_for_segm_only(ann_file):
    samples = [sample(i, with_masks=False) for i in OBJECTS]
    assert 0 < run(ann_file, samples, metric='bbox')['coco/bbox_AR@100'] < 1
    with pytest.raises(ValueError, match='image 3 has no masks'):
        run(ann_file, samples, metric='segm')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'metric': 'proposal'}, 'metric must be'),
        ({'metric': []}, 'metric must be'),
        ({'protocol': 'none'}, "protocol is one of .*, not 'none'"),
        ({'max_dets': (10,)}, 'hold 100'),
        ({'format_only': True}, 'outfile_prefix'),
        ({'eval_class': 'nonvox'}, "instances.json: unknown class split 'nonvox'"),
        ({'eval_class': ['cat']}, r"instances.json.*lacks: \['cat'\]"),
        ({'seen_class': 'voc'}, "instances.json.*split 'voc'.*lacks"),
    ],
)
def test_bad_options_are_refused_at_once(ann_file, options, message):
    with pytest.raises(ValueError, match=message):
        run(ann_file, [], **options)


def test_missing_or_broken_annotation_file_is_named(tmp_path):
    path = tmp_path / 'annotations.json'
    with pytest.raises(FileNotFoundError, match=r'annotations\.json'):
        run(str(path), [])
    path.write_text('{')
    with pytest.raises(ValueError, match=r'annotations\.json is not valid JSON'):
        run(str(path), [])
