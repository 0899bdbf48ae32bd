"""Training sets of pseudo labels: references, vocabularies, the command line."""

from __future__ import annotations

import json
import runpy
import sys

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.apis.coco_preparation import prepare_coco_dataset, read_reference
from mmdet_ovis.datasets import OVCocoDataset

SIZE = (12, 16)


def mask(image_id, rank, word, box, score=0.9):
    x, y, w, h = box
    pixels = np.zeros(SIZE, np.uint8, order='F')
    pixels[y : y + h, x : x + w] = 1
    rle = mask_api.encode(pixels)
    return {
        'image_id': image_id,
        'category_id': 1,
        'segmentation': {'size': list(SIZE), 'counts': rle['counts'].decode()},
        'bbox': list(box),
        'area': w * h,
        'iscrowd': 0,
        'score': score,
        'rank': rank,
        'gt_iou': 0.0,
        'source': 'gradcam',
        'pseudo': 1,
        'word': word,
    }


MASKS = [
    [mask(7, 0, 'dog', (1, 1, 5, 5)), mask(7, 1, 'person', (8, 1, 5, 5))],
    [mask(9, 0, 'gnu', (1, 1, 5, 5)), mask(9, 1, 'cat', (8, 1, 5, 5), 0.2)],
]
IMAGES = [
    {'id': i, 'file_name': f'{i}.png', 'height': SIZE[0], 'width': SIZE[1]}
    for i in (7, 9)
]
CAPTIONS = {
    'images': IMAGES,
    'annotations': [
        {'id': 1, 'image_id': 7, 'caption': 'A man and a dog.'},
        {'id': 2, 'image_id': 7, 'caption': 'A dog.'},
    ],
}
LINES = [{'image': f'{i}.png', 'caption': 'A dog.'} for i in (9, 7)]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def prepare(write, tmp_path):
    def run(ref=CAPTIONS, ref_name='ref.json', **options):
        out = tmp_path / 'out.json'
        summary = prepare_coco_dataset(
            [write('masks.json', MASKS)], write(ref_name, ref), out, **options
        )
        return json.loads(out.read_text()), summary

    return run


def classes(content):
    return {category['name']: category['id'] for category in content['categories']}


def found(content):
    return [ann['word'] for ann in content['annotations']]


def test_captions_stay_with_their_images(prepare, tmp_path):
    content, summary = prepare()
    assert [image['captions'] for image in content['images']] == [
        ['A man and a dog.', 'A dog.'], [],
    ]  # fmt: skip
    assert classes(content) == {'person': 1, 'dog': 18, 'gnu': 91}
    report = json.loads((tmp_path / 'out.json.report.json').read_text())
    assert report == summary.to_dict()
    assert report['dropped'] == {'score below 0.3': 1}


def test_the_file_trains(prepare, tmp_path):
    prepare(preset='compat')
    dataset = OVCocoDataset(
        ann_file=str(tmp_path / 'out.json'), data_prefix={'img': ''}, pipeline=[]
    )
    assert dataset.metainfo['classes'] == ('person', 'cat', 'dog', 'gnu')
    assert dataset.metainfo['novel_classes'] == ('cat', 'dog')
    instances = dataset.get_data_info(0)['instances']
    assert {dataset.metainfo['classes'][x['bbox_label']] for x in instances} == {
        'dog', 'person',
    }  # fmt: skip
    assert all(x['is_pseudo'] and x['source'] == 'gradcam' for x in instances)


@pytest.mark.parametrize(
    ('options', 'names', 'words'),
    [
        ({'split': 'novel'}, 17, ['dog']),
        ({'split': 'base'}, 48, ['person']),
        ({'split': 'all'}, 65, ['dog', 'person']),
        ({'vocabulary': 'coco65'}, 65, ['dog', 'person']),
        ({'vocabulary': 'coco80', 'split': 'novel'}, 17, ['dog']),
        ({'classes': ['gnu', 'Dog']}, 2, ['Dog', 'gnu']),
        ({'split': 'all', 'classes': ['dog']}, 1, ['dog']),
        ({'vocabulary': 'coco80', 'classes': ['DOG', 'kite']}, 2, ['dog']),
        (
            {'split': 'all', 'base': ['gnu'], 'novel': ['person', 'yak']},
            3,
            ['person', 'gnu'],
        ),
    ],
)
def test_classes_are_narrowed_down(prepare, options, names, words):
    content, _ = prepare(**options)
    assert len(content['categories']) == names
    assert sorted(found(content)) == sorted(words)
    ids = [category['id'] for category in content['categories']]
    assert ids == sorted(set(ids))


def test_ids_of_a_vocabulary_file(prepare, write):
    vocabulary = {
        'images': [], 'annotations': [],
        'categories': [{'id': 30, 'name': 'dog', 'supercategory': 'pet'},
                       {'id': 4, 'name': 'gnu'}],
    }  # fmt: skip
    content, _ = prepare(vocabulary=write('coco.json', vocabulary))
    assert classes(content) == {'dog': 30, 'gnu': 4}
    assert content['categories'][0]['supercategory'] == 'pet'
    assert content['categories'][0]['split'] == 'novel'
    content, _ = prepare(vocabulary=write('names.txt', 'gnu\ndog|puppy\n'))
    assert classes(content) == {'dog': 18, 'gnu': 91}
    content, _ = prepare(vocabulary=write('forms.json', {'gnu': ['gnus'], 'yak': []}))
    assert classes(content) == {'gnu': 1, 'yak': 2}
    content, _ = prepare(vocabulary=write('categories.json', {'categories': ['x']}))
    assert classes(content) == {'categories': 1}  # a vocabulary of one name


def test_words_may_be_synonyms(prepare, write):
    """Of two classes with one form the first has it, and a name goes before all."""
    words = write('names.txt', 'animal|gnu|cat\nyak|gnu|person\nhound|dog\ncat\n')
    content, summary = prepare(vocabulary=words, min_conf=0.1)
    told = {ann['image_id']: [] for ann in content['annotations']}
    for ann in content['annotations']:
        told[ann['image_id']].append(ann['word'])
    assert told == {7: ['hound', 'yak'], 9: ['animal', 'cat']}
    assert not summary.dropped.total
    (hound,) = (cat for cat in content['categories'] if cat['name'] == 'hound')
    assert hound['synonyms'] == ['dog']
    (cat,) = (cat for cat in content['categories'] if cat['name'] == 'cat')
    assert 'synonyms' not in cat


def test_options_go_before_the_preset(prepare):
    assert len(found(prepare(min_conf=0.1, nms_iou=None)[0])) == 4
    content, _ = prepare(preset='compat', min_conf=0.95)
    assert content['annotations'] == []
    assert content['info']['options']['order'] == 'random'


def test_instances_as_reference_lose_their_annotations(prepare):
    truth = {**MASKS[0][0], 'id': 5}
    ref = {
        'images': IMAGES,
        'annotations': [truth],
        'categories': [{'id': 1, 'name': 'whale'}],
    }
    content, _ = prepare(ref)
    assert 'captions' not in content['images'][0]
    assert found(content) == ['dog', 'person', 'gnu']


def test_lines_of_captions_need_the_images_for_sizes(prepare, write, tmp_path):
    lines = '\n'.join(map(json.dumps, LINES))
    with pytest.raises(ValueError, match=r"the size of '7\.png'; name the folder"):
        prepare(lines, 'ref.jsonl')
    for i in (7, 9):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((*SIZE, 3), np.uint8))
    content, _ = prepare(lines, 'ref.jsonl', image_dir=tmp_path)
    assert content['images'][0] == {
        'id': 7, 'file_name': '7.png', 'height': 12, 'width': 16,
        'captions': ['A dog.'],
    }  # fmt: skip
    reference = read_reference(write('list.json', LINES), tmp_path)
    assert reference.sizes == {7: SIZE, 9: SIZE}


def test_the_rest_of_a_dataset_needs_the_dataset(prepare, openshapes):
    groups = {'base': 'openshapes_seen', 'novel': 'openshapes_unseen'}
    with pytest.raises(ValueError, match="'openshapes_unseen' is the rest of a datas"):
        prepare(**groups)
    vocabulary = openshapes / 'annotations' / 'instances_train.json'
    content, _ = prepare(vocabulary=vocabulary, split='novel', **groups)
    assert [category['id'] for category in content['categories']] == [*range(9, 17)]
    assert {category['split'] for category in content['categories']} == {'novel'}


def test_openshapes_captions_are_a_reference(openshapes):
    path = openshapes / 'annotations' / 'captions_train.json'
    reference = read_reference(path)
    assert len(reference.sizes) == 12
    assert reference.head['images'][0]['captions']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'preset': 'best'}, "preset is one of default, compat, not 'best'"),
        ({'split': 'seen'}, "split is one of base, novel, all, not 'seen'"),
        ({'vocabulary': 'coco80', 'classes': ['dgo']}, "Did you mean 'dog'"),
        ({'base': 'ov_bass', 'novel': 'ov_novel'}, "Did you mean 'ov_base'"),
        ({'min_conf': 0.5, 'max_per_class': 0}, 'max_per_class is a number'),
        (
            {'vocabulary': 'coco80', 'split': 'base', 'base': ['gnu'], 'novel': []},
            "no name of the vocabulary is a class of split 'base'",
        ),
    ],
)
def test_mistakes_are_named(prepare, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(**options)


def test_missing_files_are_named(prepare, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such vocabulary: coco64'):
        prepare(vocabulary='coco64')
    for name in ('none.json', 'none.jsonl'):
        with pytest.raises(FileNotFoundError, match=f'no such file: .*{name}'):
            read_reference(tmp_path / name)


def test_command_line(write, tmp_path, monkeypatch, capsys, root):
    arguments = [
        *('--inputs', write('masks.json', MASKS), '--ref', write('r.json', CAPTIONS)),
        *('--out', tmp_path / 'out.json', '--report', tmp_path / 'numbers.json'),
        *('--novel', write('novel.txt', 'gnu\n'), '--base', 'ov_base'),
        *('--split', 'all', '--min-conf', 0.1),
    ]
    path = str(root / 'tools/ovis/prepare_coco_dataset.py')
    monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name='__main__')
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert '2 of 4 pseudo annotations from 1 files, 2 of 49 categories' in printed
    assert json.loads((tmp_path / 'numbers.json').read_text())['kept'] == 2
