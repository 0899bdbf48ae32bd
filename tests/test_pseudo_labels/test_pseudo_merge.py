"""From shards to one COCO file."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys

import pytest
from pycocotools.coco import COCO

from mmdet_ovis.pseudo_labels.merge import MergeOptions, merge_annotations
from mmdet_ovis.pseudo_labels.reader import load_pseudo_annotations


@pytest.fixture
def reference(write_json, make_rle):
    """Two images, two categories, ground truth with the ids 3 and 10."""
    images = [
        {'id': i, 'file_name': f'{i}.png', 'height': 12, 'width': 16} for i in (7, 9)
    ]
    truth = [
        {
            'id': ann_id,
            'image_id': 7,
            'category_id': 2,
            'bbox': [0, 0, 3, 3],
            'area': 9,
            'iscrowd': 0,
            'segmentation': make_rle(0, 0, 3, 3),
        }
        for ann_id in (3, 10)
    ]
    return write_json(
        'ref.json',
        {
            'info': {'year': 2020},
            'licenses': [{'id': 1}],
            'images': images,
            'categories': [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'dog'}],
            'annotations': truth,
        },
    )


@pytest.fixture
def shards(write_json, make_annotation):
    write_json(
        'shard_0.json',
        [[make_annotation(7, 0, gt_iou=0.6), make_annotation(7, 1, gt_iou=0.5)]],
    )
    write_json('shard_1.json', [[], [make_annotation(9, 0)]])


@pytest.fixture
def merge(tmp_path, reference, shards):
    def run(**options):
        out = tmp_path / 'merged.json'
        summary = merge_annotations(
            reference, [tmp_path / 'shard_*.json'], out, MergeOptions(**options)
        )
        return json.loads(out.read_text()), summary

    return run


def test_case_c2_ids_go_on_and_ground_truth_is_absent(merge, reference):
    merged, summary = merge()
    anns = merged['annotations']
    assert [ann['id'] for ann in anns] == [11, 12, 13]
    assert [(ann['image_id'], ann['rank']) for ann in anns] == [(7, 0), (7, 1), (9, 0)]
    assert all(ann['iscrowd'] == 0 and ann['pseudo'] == 1 for ann in anns)
    before = json.loads(reference.read_text())
    for key in ('images', 'categories', 'info', 'licenses'):
        assert merged[key] == before[key]
    assert (summary.n_inputs, summary.n_read, summary.n_kept) == (2, 3, 3)


def test_case_c2_ground_truth_on_request(merge, reference, tmp_path):
    merged, summary = merge(include_gt=True)
    assert merged['annotations'][:2] == json.loads(reference.read_text())['annotations']
    assert [ann['id'] for ann in merged['annotations']] == [3, 10, 11, 12, 13]
    assert summary.n_ground_truth == 2
    by_image = load_pseudo_annotations(tmp_path / 'merged.json')
    assert {image: len(anns) for image, anns in by_image.items()} == {7: 2, 9: 1}


def test_filters_choose_as_in_training(merge):
    merged, _ = merge(max_gt_iou=0.6, top_k=1)
    kept = [(ann['image_id'], ann['rank']) for ann in merged['annotations']]
    assert kept == [(7, 1), (9, 0)]
    merged, summary = merge(min_score=1.5)
    assert [ann['rank'] for ann in merged['annotations']] == [0, 0]
    assert (summary.n_read, summary.n_kept) == (3, 2)


def test_pycocotools_loads_the_result(merge, tmp_path):
    merge(include_gt=True)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / 'merged.json'))
    ids = coco.getAnnIds(imgIds=[7, 9], iscrowd=False)
    assert sorted(ids) == [3, 10, 11, 12, 13]
    assert coco.annToMask(coco.loadAnns([11])[0]).sum() == 20


def test_a_category_can_be_chosen_or_added(merge):
    merged, _ = merge(category_id=2, category_name='dog')
    assert {ann['category_id'] for ann in merged['annotations']} == {2}
    merged, _ = merge(category_id=99, category_name='object')
    assert merged['categories'][-1] == {'id': 99, 'name': 'object'}
    assert {ann['category_id'] for ann in merged['annotations']} == {99}


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        ({'category_id': 99}, 'no category 99'),
        ({'category_id': 1, 'category_name': 'object'}, "calls category 1 'person'"),
        ({'category_name': 'object'}, 'needs the category_id'),
    ],
)
def test_category_mistakes_are_explained(merge, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        merge(**options)


@pytest.mark.parametrize(
    ('changes', 'complaint'),
    [
        ({'image_id': 8}, r'bad\.json\[0\]\[0\]: image_id 8 is not among the 2 images'),
        ({'category_id': 5}, r'bad\.json\[0\]\[0\]: category_id 5 is not in'),
        ({'score': None}, r"bad\.json\[0\]\[0\]: key 'score'"),
    ],
)
def test_masks_of_another_dataset_are_refused(
    tmp_path, reference, write_json, make_annotation, changes, complaint
):
    bad = write_json('bad.json', [[make_annotation(**changes)]])
    with pytest.raises(ValueError, match=complaint):
        merge_annotations(reference, [bad], tmp_path / 'out.json')
    assert not (tmp_path / 'out.json').exists()


def test_masks_of_another_size_are_refused(
    tmp_path, reference, write_json, make_annotation, make_rle
):
    wrong = make_annotation(segmentation=make_rle(1, 2, 4, 5, size=(16, 12)))
    with pytest.raises(ValueError, match=r'size \[16, 12\], image 7 is \[12, 16\]'):
        merge_annotations(reference, [write_json('b.json', [[wrong]])], tmp_path / 'o')


def test_overlapping_shards_are_refused(
    tmp_path, reference, write_json, make_annotation
):
    a = write_json('a.json', [[make_annotation(7, 0)]])
    b = write_json('b.json', [[make_annotation(9, 0)], [make_annotation(7, 0)]])
    with pytest.raises(ValueError, match=r'b\.json\[1\]\[0\]: rank 0 of .*a\.json\[0'):
        merge_annotations(reference, [a, b], tmp_path / 'o.json')
    with pytest.raises(ValueError, match='among the inputs twice'):
        merge_annotations(reference, [a, a], tmp_path / 'o.json')


def test_missing_inputs_are_named(tmp_path, reference, shards):
    with pytest.raises(FileNotFoundError, match=r'no file matches .*none_\*\.json'):
        merge_annotations(reference, [tmp_path / 'none_*.json'], tmp_path / 'o.json')
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        merge_annotations(reference, [tmp_path / 'none.json'], tmp_path / 'o.json')
    with pytest.raises(FileNotFoundError, match=r'noref\.json'):
        merge_annotations(
            tmp_path / 'noref.json', [tmp_path / 'shard_0.json'], tmp_path / 'o.json'
        )


def test_the_inputs_are_not_overwritten(reference, tmp_path, shards):
    with pytest.raises(ValueError, match='choose another output'):
        merge_annotations(reference, [tmp_path / 'shard_0.json'], reference)


def test_the_tool_merges(monkeypatch, capsys, root, tmp_path, reference, shards):
    tool = str(root / 'tools' / 'merge_annotations.py')
    out = tmp_path / 'tool.json'
    arguments = [
        '--ref',
        reference,
        '--inputs',
        tmp_path / 'shard_*.json',
        '--out',
        out,
    ]
    arguments += ['--top-k', 1, '--category-id', 3, '--category-name', 'object']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    assert '2 of 3 pseudo masks from 2 files' in capsys.readouterr().out
    merged = json.loads(out.read_text())
    assert [ann['category_id'] for ann in merged['annotations']] == [3, 3]


def test_the_tool_explains_mistakes_in_one_line(monkeypatch, capsys, root, tmp_path):
    tool = str(root / 'tools' / 'merge_annotations.py')
    arguments = ['--ref', tmp_path / 'no.json', '--inputs', 'x.json', '--out', 'y.json']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 2
    assert 'no.json' in capsys.readouterr().err
