"""`OVCocoInstanceMetric` on data samples as the test loop hands them over."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

import mmdet_ovis.evaluation  # noqa: F401  (registers the metric)
from mmdet_ovis.apis.evaluation import evaluate_vocabulary

SIZE = (50, 70)
NAMES = {2: 'person', 5: 'kite', 9: 'dog'}
OBJECTS = {
    3: [('person', (5, 5, 20, 20)), ('dog', (40, 10, 20, 30))],
    5: [('person', (10, 10, 12, 30))],
    8: [('dog', (1, 1, 30, 30))],
    9: [],
}
META = {
    'classes': tuple(NAMES.values()),
    'base_classes': ('person', 'kite'),
    'novel_classes': ('dog',),
}


@pytest.fixture
def ann_file(tmp_path):
    ids = {name: i for i, name in NAMES.items()}
    annotations = [
        {'image_id': image_id, 'category_id': ids[name], 'bbox': box}
        for image_id, objects in OBJECTS.items()
        for name, box in objects
    ]
    for index, annotation in enumerate(annotations):
        x, y, w, h = annotation['bbox']
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        annotation.update(id=index, area=w * h, iscrowd=0, segmentation=[polygon])
    dataset = {
        'images': [{'id': i, 'height': SIZE[0], 'width': SIZE[1]} for i in OBJECTS],
        'categories': [{'id': i, 'name': name} for i, name in NAMES.items()],
        'annotations': annotations,
    }
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(dataset))
    return str(path)


def sample(image_id, classes=META['classes'], found=None, **more):
    """Make detections of the given objects, or those of the image."""
    found = OBJECTS[image_id] if found is None else found
    boxes = np.array([box for _, box in found], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = np.zeros((len(boxes), *SIZE), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    instances = InstanceData(
        bboxes=torch.from_numpy(boxes).float(),
        scores=torch.linspace(0.9, 0.5, len(boxes)),
        labels=torch.tensor([classes.index(name) for name, _ in found]).long(),
        masks=torch.from_numpy(masks),
        **more,
    )
    metainfo = {'img_id': image_id, 'ori_shape': SIZE}
    return DetDataSample(metainfo=metainfo, pred_instances=instances)


def run(ann_file, samples, meta=META, **options):
    metric = METRICS.build(
        {'type': 'OVCocoInstanceMetric', 'ann_file': ann_file, **options}
    )
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    for data_sample in samples:
        evaluator.process([data_sample])
    return evaluator.evaluate(max(1, len(samples)))


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def persons():
    """Finds all persons, and never a dog."""
    return [
        sample(i, found=[x for x in objects if x[0] == 'person'])
        for i, objects in OBJECTS.items()
    ]


def test_case_23_base_found_novel_missed(ann_file, log):
    metrics = run(ann_file, persons())
    for iou_type in ('bbox', 'segm'):
        assert metrics[f'coco/{iou_type}_base_AP50'] == pytest.approx(1)
        assert metrics[f'coco/{iou_type}_novel_AP50'] == 0
        assert metrics[f'coco/{iou_type}_all_AP50'] == pytest.approx(0.5)
        assert metrics[f'coco/{iou_type}_hm_AP50'] == 0
    assert len(metrics) == 24
    assert '| kite   | base  |         - |         - |' in log.text
    assert '| dog    | novel |       0.0 |       0.0 |' in log.text


def test_equals_the_evaluation_of_its_own_results_files(ann_file, tmp_path):
    samples = [sample(i) for i in OBJECTS]
    samples[0] = sample(3, found=[('dog', (5, 5, 20, 20)), ('dog', (41, 12, 20, 30))])
    prefix = tmp_path / 'results' / 'run'
    metrics = run(ann_file, samples, outfile_prefix=str(prefix))
    files = sorted(path.name for path in prefix.parent.iterdir())
    assert files == ['run.bbox.json', 'run.segm.json']
    for iou_type in ('bbox', 'segm'):
        expected = evaluate_vocabulary(
            ann_file,
            prefix.with_name(f'run.{iou_type}.json'),
            base=['person', 'kite'],
            novel=['dog'],
            iou_types=[iou_type],
        ).metrics
        assert 0 < expected[f'{iou_type}_novel_AP'] < 1
        for key, value in expected.items():
            assert metrics[f'coco/{key}'] == value


def test_row_order_of_the_classes_does_not_matter(ann_file):
    samples = [sample(i) for i in OBJECTS]
    expected = run(ann_file, samples)
    assert expected['coco/segm_all_AP50'] == pytest.approx(1)
    for classes in (('dog', 'kite', 'person'), ('kite', 'person', 'dog')):
        permuted = [sample(i, classes) for i in OBJECTS]
        assert run(ann_file, permuted, {**META, 'classes': classes}) == expected


def test_classes_that_the_file_lacks_do_not_count(ann_file):
    """Distractors of a larger vocabulary."""
    classes = ('unicorn', 'dog', 'person', 'kite')
    samples = [
        sample(i, classes, found=[*objects, ('unicorn', (0, 0, 9, 9))])
        for i, objects in OBJECTS.items()
    ]
    metrics = run(ann_file, samples, {**META, 'classes': classes})
    assert metrics == run(ann_file, [sample(i) for i in OBJECTS])


def test_the_vocabulary_decides_on_classes_and_images(ann_file):
    """With novel classes alone, objects and images of other classes are gone."""
    classes = ('dog',)
    meta = {'classes': classes, 'base_classes': (), 'novel_classes': classes}
    wrong = ('dog', (0, 0, 9, 9))
    samples = [
        sample(i, classes, found=[wrong, *(x for x in objects if x[0] == 'dog')])
        for i, objects in OBJECTS.items()
        if i in (3, 8)
    ]
    metrics = run(ann_file, samples, meta)
    assert metrics['coco/segm_novel_AP50'] == pytest.approx(0.5)
    assert metrics['coco/segm_all_AP50'] == pytest.approx(0.5)
    assert metrics['coco/segm_base_AP50'] == metrics['coco/segm_hm_AP50'] == -1
    others = [sample(i, classes, found=[wrong]) for i in (5, 9)]
    assert run(ann_file, samples + others, meta) == metrics


def test_case_23_constrained_of_a_larger_vocabulary(ann_file):
    samples = [
        sample(3, found=[('dog', (40, 10, 20, 30)), ('person', (40, 10, 20, 30))]),
        sample(5, found=[('dog', (1, 1, 9, 9))]),
        sample(8),
        sample(9, found=[('dog', (1, 1, 9, 9))]),
    ]
    metrics = run(ann_file, samples, constrained='novel', metric='segm')
    assert set(metrics) == {
        f'coco/segm_constrained_novel_{name}'
        for name in ('AP', 'AP50', 'AP75', 'AR@100', 'AR@300')
    }
    assert list(metrics.values()) == pytest.approx([1.0] * 5)
    assert run(ann_file, samples)['coco/segm_novel_AP50'] < 1
    both = [
        METRICS.build(
            {'type': 'OVCocoInstanceMetric', 'ann_file': ann_file, 'constrained': c}
        )
        for c in (None, 'base', 'novel')
    ]
    evaluator = Evaluator(both)
    evaluator.dataset_meta = META
    evaluator.process(samples)
    assert len(evaluator.evaluate(4)) == 24 + 2 * 3 + 2 * 5  # nothing overwrites


def test_groups_of_the_config_go_before_those_of_the_dataset(ann_file):
    options = {'base_classes': ['dog'], 'novel_classes': ['person', 'kite']}
    metrics = run(ann_file, persons(), **options)
    assert metrics['coco/segm_base_AP50'] == 0
    assert metrics['coco/segm_novel_AP50'] == pytest.approx(1)
    plain = {'classes': META['classes']}  # a dataset that knows no groups
    assert run(ann_file, persons(), plain, **options) == metrics
    assert run(ann_file, persons(), plain)['coco/segm_base_AP50'] == -1


def test_renamed_classes_find_their_category(ann_file):
    meta = {
        'classes': ('human', 'kite', 'dog'),
        'base_classes': ('human', 'kite'),
        'novel_classes': ('dog',),
        'renames': {'person': 'human'},
    }
    samples = persons()
    assert run(ann_file, samples, meta) == run(ann_file, samples)


def test_mask_scores_rank_the_masks(ann_file):
    found = [('dog', (0, 0, 9, 9)), *OBJECTS[3]]
    samples = [sample(3, found=found, mask_scores=torch.tensor([0.1, 0.5, 0.9]))]
    meta = {**META, 'classes': META['classes']}
    metrics = run(ann_file, [*samples, sample(8)], meta)
    assert metrics['coco/bbox_novel_AP50'] < 0.9
    assert metrics['coco/segm_novel_AP50'] == pytest.approx(1)


def test_images_without_prediction_count_as_missed(ann_file, log):
    metrics = run(ann_file, [sample(3)])
    assert '2 of 3 images of' in log.text  # the fourth has no object
    assert metrics['coco/segm_base_AP50'] == pytest.approx(51 / 101)


def test_results_can_be_written_alone(ann_file, tmp_path):
    options = {'format_only': True, 'outfile_prefix': str(tmp_path / 'run')}
    assert run(ann_file, [sample(3)], **options) == {}
    written = json.loads((tmp_path / 'run.segm.json').read_text())
    assert [x['category_id'] for x in written] == [2, 9]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'metric': 'proposal'}, 'metric must be'),
        ({'constrained': 'all'}, "constrained is one of None, base, novel, not 'all'"),
        ({'format_only': True}, 'outfile_prefix'),
        ({'verified_only': True}, r"instances\.json: no image has 'neg_category_ids'"),
        ({'meta': {}}, 'metainfo has no classes'),
        ({'meta': {'classes': ('dog',)}}, 'label 2, but the dataset has 1 classes'),
        ({'meta': {'classes': ('a', 'b', 'c')}}, 'none of its categories is a predict'),
        ({'base_classes': 'ov_base'}, 'given together, or neither'),
        ({'base_classes': ['ufo', 'dog'], 'novel_classes': ['kite']}, r"\['ufo'\]"),
    ],
)
def test_mistakes_are_named(ann_file, options, message):
    with pytest.raises(ValueError, match=message):
        run(ann_file, [sample(i) for i in OBJECTS], **options)


def test_predictions_that_do_not_fit_are_refused(ann_file):
    stranger = sample(3)
    stranger.set_metainfo({'img_id': 99})
    with pytest.raises(ValueError, match="'image_id' 99 is not an image of"):
        run(ann_file, [stranger])
    without = sample(3)
    del without.pred_instances.masks
    with pytest.raises(ValueError, match='image 3 has no masks'):
        run(ann_file, [without])
    assert run(ann_file, [without], metric='bbox')['coco/bbox_novel_AP50'] > 0
