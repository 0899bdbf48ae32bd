"""AP of base and novel classes: arrays, files without a model, the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from mmengine.logging import MMLogger
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdet_ovis.apis.evaluation import evaluate_vocabulary
from mmdet_ovis.evaluation.functional.open_vocabulary import (
    average_precision_by_class,
    summarize_groups,
)

SIZE = (40, 60)
NAMES = {1: 'person', 4: 'kite', 7: 'dog', 9: 'cup'}
GROUPS = {'base': ['person', 'kite'], 'novel': ['dog']}


def group(*members):
    return np.array(members, dtype=bool)


def test_case_23_cmpl_case_19_synthetic_precision_array():
    """Two base classes at 0.6, a novel one at 0.2, one class without an object."""
    precision = np.stack([np.full((10, 101), x) for x in (0.6, 0.6, 0.2, -1)], axis=-1)
    groups = {
        'base': group(1, 1, 0, 0),
        'novel': group(0, 0, 1, 1),
        'all': group(1, 1, 1, 1),
    }
    metrics = summarize_groups(precision, {}, groups)
    for name in ('AP', 'AP50', 'AP75'):
        assert metrics[f'base_{name}'] == pytest.approx(0.6)
        assert metrics[f'novel_{name}'] == pytest.approx(0.2)
        assert metrics[f'all_{name}'] == pytest.approx(1.4 / 3)
    assert metrics['hm_AP50'] == pytest.approx(0.3)
    assert average_precision_by_class(precision).tolist() == pytest.approx(
        [0.6, 0.6, 0.2, -1]
    )


def test_rows_are_iou_thresholds():
    precision = np.arange(10, dtype=float)[:, None, None] / 10 * np.ones((1, 101, 1))
    metrics = summarize_groups(precision, {}, {'all': group(1)})
    assert metrics['all_AP50'] == 0
    assert metrics['all_AP75'] == pytest.approx(0.5)
    assert metrics['all_AP'] == pytest.approx(0.45)
    assert metrics.keys() == {'all_AP', 'all_AP50', 'all_AP75'}


def test_groups_without_an_object_have_no_number():
    precision = np.full((10, 101, 2), -1.0)
    recall = {100: np.full((10, 2), -1.0), 300: np.full((10, 2), -1.0)}
    recall[300][:, 1] = 0.25
    precision[..., 1] = 0.0
    groups = {'base': group(1, 0), 'novel': group(0, 1), 'all': group(1, 1)}
    metrics = summarize_groups(precision, recall, groups)
    assert metrics['base_AP50'] == -1
    assert metrics['hm_AP50'] == -1
    assert metrics['all_AP50'] == metrics['novel_AP50'] == 0
    assert (metrics['novel_AR@100'], metrics['novel_AR@300']) == (-1, 0.25)
    nothing = summarize_groups(precision, recall, {'novel': group(0, 0)})
    assert nothing['novel_AP'] == nothing['novel_AR@300'] == -1


def rle(box, size=SIZE):
    x, y, w, h = box
    mask = np.zeros(size, dtype=np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    encoded = mask_api.encode(mask)
    return {'size': list(encoded['size']), 'counts': encoded['counts'].decode()}


def annotation(number, image_id, category_id, box, **more):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'bbox': list(box),
        'area': box[2] * box[3],
        'iscrowd': 0,
        'segmentation': rle(box),
        **more,
    }


PERSON, DOG = (0, 0, 20, 20), (30, 10, 20, 20)


@pytest.fixture
def dataset():
    """Image 3: person and dog; 5: person; 6: a cup; 8: nothing. No kite anywhere."""
    return {
        'images': [{'id': i, 'height': 40, 'width': 60} for i in (3, 5, 6, 8)],
        'categories': [{'id': i, 'name': name} for i, name in NAMES.items()],
        'annotations': [
            annotation(0, 3, 1, PERSON),
            annotation(1, 3, 7, DOG),
            annotation(2, 5, 1, PERSON),
            annotation(3, 6, 9, PERSON),
        ],
    }


def result(image_id, category_id, box, score=0.9):
    return {
        'image_id': image_id,
        'category_id': category_id,
        'bbox': list(box),
        'segmentation': rle(box),
        'score': score,
    }


@pytest.fixture
def evaluate(tmp_path, dataset):
    def run(results, dataset=dataset, **options):
        (tmp_path / 'gt.json').write_text(json.dumps(dataset))
        (tmp_path / 'dt.json').write_text(json.dumps(results))
        options = {'iou_types': ['bbox', 'segm'], **GROUPS, **options}
        return evaluate_vocabulary(
            tmp_path / 'gt.json', tmp_path / 'dt.json', **options
        )

    return run


PERSONS = [result(3, 1, PERSON), result(5, 1, PERSON, 0.8)]


def test_case_23_base_class_found_and_novel_class_missed(evaluate):
    metrics = evaluate(PERSONS).metrics
    for iou_type in ('bbox', 'segm'):
        values = {
            key.removeprefix(f'{iou_type}_'): value
            for key, value in metrics.items()
            if key.startswith(iou_type)
        }
        assert values == pytest.approx({
            'base_AP': 1, 'base_AP50': 1, 'base_AP75': 1,
            'novel_AP': 0, 'novel_AP50': 0, 'novel_AP75': 0,
            'all_AP': 0.5, 'all_AP50': 0.5, 'all_AP75': 0.5,
            'hm_AP50': 0, 'novel_AR@100': 0, 'novel_AR@300': 0,
        })  # fmt: skip


def test_case_23_cmpl_case_19_boxes_and_masks_have_keys_of_their_own(evaluate):
    """The boxes are right, the masks are not."""
    results = [{**x, 'segmentation': rle((50, 30, 5, 5))} for x in PERSONS]
    metrics = evaluate(results).metrics
    assert metrics['bbox_base_AP50'] == pytest.approx(1)
    assert metrics['segm_base_AP50'] == 0
    assert len(metrics) == 24


def test_case_23_cmpl_case_19_constrained_novel_ignores_all_else(
    evaluate,
):
    dogs = [
        result(3, 7, DOG, 0.5),
        result(5, 7, DOG, 0.9),  # no dog in this image
        result(8, 7, DOG, 0.9),  # nor here, where nothing is
    ]
    generalized = evaluate(PERSONS + dogs).metrics
    constrained = evaluate(PERSONS + dogs, constrained='novel').metrics
    assert generalized['segm_novel_AP50'] == pytest.approx(
        0.5
    )  # one false positive before it
    assert constrained['segm_constrained_novel_AP50'] == pytest.approx(1)
    wrong = [result(3, 1, DOG, 0.99), result(5, 1, DOG, 0.99)]
    assert evaluate(wrong + dogs, constrained='novel').metrics == constrained
    names = {key.removeprefix('segm_') for key in constrained if key[0] == 's'}
    assert names == {
        'constrained_novel_AP', 'constrained_novel_AP50', 'constrained_novel_AP75',
        'constrained_novel_AR@100', 'constrained_novel_AR@300',
    }  # fmt: skip
    base = evaluate(PERSONS + dogs, constrained='base')
    assert base.metrics['bbox_constrained_base_AP50'] == pytest.approx(1)
    assert base.classes.image_ids == [3, 5]


def test_images_without_a_class_of_the_vocabulary_do_not_count(evaluate):
    """Image 6 has a cup, which is neither base nor novel."""
    extra = [result(6, 1, PERSON, 0.99), result(8, 1, PERSON, 0.99)]
    assert evaluate(PERSONS + extra).metrics == evaluate(PERSONS).metrics
    everything = evaluate(PERSONS + extra, base=None, novel=None)
    assert everything.classes.image_ids == [3, 5, 6]
    assert everything.metrics['segm_all_AP50'] < 1 / 3
    assert everything.metrics['segm_base_AP50'] == -1


def test_the_file_may_say_what_is_novel(evaluate, dataset):
    for category, mark in zip(
        dataset['categories'], ('base', 'base', 'novel', None), strict=True
    ):
        category['split'] = mark
    found = evaluate(PERSONS, base=None, novel=None)
    assert found.metrics == evaluate(PERSONS).metrics
    assert found.scores['segm'].ap50 == pytest.approx({1: 1, 4: -1, 7: 0})


def test_equals_pycocotools_on_random_detections(evaluate, dataset, tmp_path):
    rng = np.random.default_rng(3)
    dataset['annotations'] = [
        annotation(i + 1, int(rng.choice([3, 5, 6])), int(rng.choice([1, 7])), box)
        for i, box in enumerate(rng.integers(2, 20, (20, 4)).tolist())
    ]
    dataset['annotations'][0]['iscrowd'] = 1
    results = []
    for ann in dataset['annotations'] * 3:
        x, y, w, h = ann['bbox']
        shift = rng.integers(0, 3, 2).tolist()
        box = (x + shift[0], y + shift[1], w, h)
        results.append(
            result(ann['image_id'], ann['category_id'], box, float(rng.random()))
        )
    metrics = evaluate(results).metrics
    truth = COCO(str(tmp_path / 'gt.json'))
    for iou_type in ('bbox', 'segm'):
        found = truth.loadRes(json.loads((tmp_path / 'dt.json').read_text()))
        reference = COCOeval(truth, found, iou_type)
        reference.params.catIds, reference.params.imgIds = [1, 7], [3, 5, 6]
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
        for name, value in zip(('AP', 'AP50', 'AP75'), reference.stats, strict=False):
            assert metrics[f'{iou_type}_all_{name}'] == pytest.approx(value, abs=1e-12)
        assert 0 < metrics[f'{iou_type}_novel_AP50'] < 1


def test_annotation_id_of_0_is_an_id(evaluate, dataset):
    """pycocotools takes an object with this id for no object."""
    assert dataset['annotations'][0]['id'] == 0
    assert evaluate(PERSONS).metrics['segm_base_AP50'] == pytest.approx(1)


def test_unverified_classes_of_open_images(evaluate, dataset):
    wrong = [result(3, 4, DOG), result(5, 7, DOG, 0.99)]
    dataset['images'][1]['neg_category_ids'] = [7]
    options = {'verified_only': True}
    found = [*PERSONS, result(3, 7, DOG, 0.5)]
    assert evaluate(found + wrong, **options).metrics[
        'segm_novel_AP50'
    ] == pytest.approx(0.5)
    dataset['images'][1]['neg_category_ids'] = [4]
    assert evaluate(found + wrong, **options).metrics[
        'segm_novel_AP50'
    ] == pytest.approx(1)
    assert evaluate(found + wrong).metrics['segm_novel_AP50'] == pytest.approx(0.5)
    del dataset['images'][1]['neg_category_ids']
    with pytest.raises(ValueError, match=r"gt\.json: no image has 'neg_category_ids'"):
        evaluate(found, **options)


def test_results_of_other_categories_are_counted(evaluate, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    metrics = evaluate([*PERSONS, result(3, 77, DOG)]).metrics
    logger.removeHandler(caplog.handler)
    assert metrics == evaluate(PERSONS).metrics
    assert '1 of 3 results are of categories that' in caplog.text
    with pytest.raises(ValueError, match=r'1 of 1 results.*are these labels'):
        evaluate([result(3, 0, DOG)])


def test_no_results_find_nothing(evaluate):
    assert evaluate([]).metrics['segm_all_AP50'] == 0


@pytest.mark.parametrize(
    ('results', 'options', 'message'),
    [
        (PERSONS, {'constrained': 'all'}, "is one of None, base, novel, not 'all'"),
        (PERSONS, {'iou_types': ['mask']}, "iou_types must be 'bbox', 'segm' or both"),
        (PERSONS, {'base': ['ufo', 'dog']}, r"gt\.json.*lacks: \['ufo'\]"),
        (
            PERSONS,
            {'base': ['ufo'], 'constrained': 'base'},
            r'gt\.json: none of its categories is a base class',
        ),
        (
            PERSONS,
            {'base': ['kite'], 'novel': ['ufo']},
            r'gt\.json: no image has an object of these classes',
        ),
        (
            [{**PERSONS[0], 'category_id': '1'}],
            {},
            r"\[0\]: 'category_id' must be an in",
        ),
        (
            [{**PERSONS[0], 'score': None}],
            {},
            r"dt\.json: \[0\]: 'score' must be a fin",
        ),
    ],
)
def test_mistakes_are_named(evaluate, results, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(results, **options)


def test_command_line_prints_tables_and_writes_the_numbers(evaluate, tmp_path, root):
    expected = evaluate(PERSONS).metrics
    (tmp_path / 'base.txt').write_text('person\nkite\n')
    (tmp_path / 'novel.txt').write_text('dog\n')
    out = tmp_path / 'new' / 'metrics.json'
    command = [
        *(sys.executable, root / 'tools/analysis_tools/eval_ov.py', '--classwise'),
        *('--gt', tmp_path / 'gt.json', '--dt', tmp_path / 'dt.json', '--out', out),
        *('--base', tmp_path / 'base.txt', '--novel', tmp_path / 'novel.txt'),
        *('--iou-type', 'bbox', 'segm'),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert '| all_AP50     |  50.0 |  50.0 |' in run.stdout
    assert '| kite   | base  |         - |         - |' in run.stdout
    assert json.loads(out.read_text()) == expected
