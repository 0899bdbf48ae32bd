"""Evaluating files without a model: forms that are read, errors that are raised."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmdet_ovis.apis.evaluation import evaluate_recall

SIZE = (40, 60)


def rle(box, size=SIZE):
    x, y, w, h = box
    mask = np.zeros(size, dtype=np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    encoded = mask_utils.encode(mask)
    return {'size': encoded['size'], 'counts': encoded['counts'].decode()}


def polygon(box):
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def annotation(index, image_id, name_id, box, **more):
    return {
        'id': index,
        'image_id': image_id,
        'category_id': name_id,
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'segmentation': polygon(box),
        **more,
    }


@pytest.fixture
def dataset():
    return {
        'images': [{'id': i, 'height': SIZE[0], 'width': SIZE[1]} for i in (3, 5)],
        'categories': [{'id': 1, 'name': 'dog'}, {'id': 4, 'name': 'kite'}],
        'annotations': [
            annotation(0, 3, 1, (0, 0, 20, 20)),
            annotation(1, 3, 4, (30, 10, 20, 20)),
            annotation(2, 5, 4, (10, 10, 10, 10), segmentation=rle((10, 10, 10, 10))),
        ],
    }


@pytest.fixture
def results():
    found = [
        (3, (0, 0, 20, 20), 0.9),
        (3, (30, 10, 20, 20), 0.8),
        (5, (40, 0, 9, 9), 1),
    ]
    return [
        {
            'image_id': image_id,
            'category_id': 1,
            'bbox': list(box),
            'segmentation': rle(box),
            'score': score,
        }
        for image_id, box, score in found
    ]


@pytest.fixture
def evaluate(tmp_path, dataset):
    def run(results, dataset=dataset, **options):
        (tmp_path / 'gt.json').write_text(json.dumps(dataset))
        (tmp_path / 'dt.json').write_text(json.dumps(results))
        options.setdefault('eval_class', ['kite'])
        return evaluate_recall(tmp_path / 'gt.json', tmp_path / 'dt.json', **options)

    return run


@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
def test_recall_of_a_results_file(evaluate, results, iou_type):
    metrics = evaluate(results, iou_types=[iou_type])
    assert metrics[f'{iou_type}_AR@100'] == 0.5
    assert metrics[f'seen_{iou_type}_AR@100'] == 1
    assert metrics[f'all_{iou_type}_AR@100'] == pytest.approx(2 / 3)
    assert all(isinstance(value, float) for value in metrics.values())


def test_keys_are_the_documented_ones(evaluate, results):
    metrics = evaluate(results, iou_types=['segm', 'bbox'])
    names = [f'AR@{k}' for k in (10, 20, 30, 50, 100, 300, 500, 1000, 1500)]
    names += ['AR@100_s', 'AR@100_m', 'AR@100_l', 'AR50@100', 'AP', 'AP50', 'F1@100']
    expected = {
        f'{prefix}{iou_type}_{name}'
        for prefix in ('', 'seen_', 'all_')
        for iou_type in ('bbox', 'segm')
        for name in names
    }
    assert set(metrics) == expected


def test_merged_pseudo_labels_and_lists_by_image_read_alike(evaluate, dataset, results):
    expected = evaluate(results)
    annotations = [{'id': i, 'iscrowd': 0, **x} for i, x in enumerate(results)]
    assert evaluate({**dataset, 'annotations': annotations}) == expected
    assert evaluate([results[:2], [], results[2:]]) == expected


def test_no_results_find_nothing(evaluate):
    assert evaluate([])['segm_AR@100'] == 0
    assert evaluate([[], []])['segm_AR@100'] == 0


def test_box_defaults_to_the_one_around_the_mask(evaluate, results):
    expected = evaluate(results, iou_types=['bbox'])
    for result in results:
        del result['bbox']
    assert evaluate(results, iou_types=['bbox']) == expected


def test_seen_class_may_be_less_than_all_others(evaluate, dataset, results):
    dataset['categories'].append({'id': 8, 'name': 'cup'})
    dataset['annotations'].append(annotation(3, 5, 8, (30, 20, 9, 9)))
    assert evaluate(results)['seen_segm_AR@100'] == 0.5
    assert evaluate(results, seen_class=['dog'])['seen_segm_AR@100'] == 1


def break_result(**changes):
    def edit(results):
        results[1] = {
            k: v for k, v in {**results[1], **changes}.items() if v is not ...
        }
        return results

    return edit


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (break_result(score=...), r"dt.json: \[1\] has no 'score'"),
        (break_result(score=None), r"dt.json: \[1\]: 'score' must be a finite number"),
        (break_result(score=float('nan')), r"'score' must be a finite number, got nan"),
        (break_result(segmentation=...), r"dt.json: \[1\] has no 'segmentation'"),
        (break_result(segmentation='x'), r'\[1\].*neither polygons nor an RLE'),
        (break_result(segmentation=[[1]]), r'\[1\]: bad polygons'),
        (
            break_result(segmentation=rle((0, 0, 5, 5), (41, 60))),
            r'\[1\].*has size \[41, 60\], the image has \[40, 60\]',
        ),
        (break_result(image_id=...), r"\[1\] has no 'image_id'"),
        (
            break_result(image_id=99),
            r"\[1\]: 'image_id' 99 is not an image of",
        ),
        (lambda results: [results, [{'score': 1}]], r"\[1\]\[0\] has no 'image_id'"),
        (lambda results: [7], r'\[0\] is not an object'),
        (lambda results: {'images': []}, "without a list 'annotations'"),
        (lambda results: 'text', 'neither a list of results'),
    ],
)
def test_bad_results_are_named(evaluate, results, edit, message):
    with pytest.raises(ValueError, match=message):
        evaluate(edit(results))


@pytest.mark.parametrize('box', [[1, 2, 3], [1, 2, 3, None], 'box', [1, 2, 3, 1e999]])
def test_bad_boxes_are_named(evaluate, results, box):
    with pytest.raises(ValueError, match=r"\[1\]: 'bbox' must be four finite numbers"):
        evaluate(break_result(bbox=box)(results), iou_types=['bbox'])


@pytest.mark.parametrize(
    ('section', 'index', 'changes', 'message'),
    [
        ('annotations', 1, {'area': ...}, r"gt.json: annotations\[1\] has no 'area'"),
        ('annotations', 1, {'image_id': 4}, r"annotations\[1\]: no image has 'id' 4"),
        ('annotations', 2, {'category_id': 9}, r"\[2\]: no category has 'id' 9"),
        ('annotations', 0, {'segmentation': ...}, r"\[0\] has no 'segmentation'"),
        (
            'annotations',
            2,
            {'segmentation': rle((0, 0, 5, 5), (60, 40))},
            r'annotations\[2\].*has size \[60, 40\]',
        ),
        ('images', 0, {'height': ...}, r"gt.json: images\[0\] has no 'height'"),
        ('categories', 1, {'name': ...}, r"gt.json: categories\[1\] has no 'name'"),
    ],
)
def test_bad_annotations_are_named(
    evaluate, dataset, results, section, index, changes, message
):
    entry = {**dataset[section][index], **changes}
    dataset[section][index] = {k: v for k, v in entry.items() if v is not ...}
    with pytest.raises(ValueError, match=message):
        evaluate(results)


def test_missing_and_broken_files_are_named(tmp_path, dataset):
    gt, dt = tmp_path / 'gt.json', tmp_path / 'dt.json'
    with pytest.raises(FileNotFoundError, match=r'gt\.json'):
        evaluate_recall(gt, dt)
    gt.write_text('{"images": [')
    with pytest.raises(ValueError, match=r'gt\.json.*truncated'):
        evaluate_recall(gt, dt)
    gt.write_text('[]')
    with pytest.raises(ValueError, match=r'gt\.json is not a COCO annotation file'):
        evaluate_recall(gt, dt)
    gt.write_text(json.dumps(dataset))
    with pytest.raises(FileNotFoundError, match=r'dt\.json'):
        evaluate_recall(gt, dt)


def test_unknown_or_missing_classes_are_named(evaluate, results):
    with pytest.raises(ValueError, match=r"gt\.json: unknown class split 'nonvcc'"):
        evaluate(results, eval_class='nonvcc')
    with pytest.raises(ValueError, match=r"gt\.json.*lacks.*'train'"):
        evaluate(results, eval_class='voc')
    with pytest.raises(ValueError, match=r"gt\.json.*lacks.*'cup'"):
        evaluate(results, seen_class=['cup'])


def test_unknown_iou_type_is_refused(evaluate, results):
    with pytest.raises(ValueError, match='iou_types'):
        evaluate(results, iou_types=['mask'])


def test_command_line_prints_a_table_and_writes_the_numbers(
    evaluate, results, tmp_path, root
):
    expected = evaluate(results)
    out = tmp_path / 'new folder' / 'metrics.json'
    command = [sys.executable, root / 'tools/analysis_tools/eval_ar.py']
    command += [
        '--gt',
        tmp_path / 'gt.json',
        '--dt',
        tmp_path / 'dt.json',
        '--out',
        out,
    ]
    command += ['--eval-class', 'not:person', '--seen-class', 'dog', 'kite']
    run = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert '| AR@100   |        66.7 |      66.7 |     66.7 |' in run.stdout
    written = json.loads(out.read_text())
    assert written.keys() == expected.keys()
    assert written['segm_AR@100'] == pytest.approx(2 / 3)
