"""From shards to one COCO file."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
import tracemalloc

import pytest
from pycocotools.coco import COCO

from mmdet_ovis.pseudo_labels.export import read_per_image
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
    again = r'b\.json\[1\]\[0\]: image_id 7 was already read from .*a\.json\[0\]\[0\]'
    with pytest.raises(ValueError, match=f'{again}; do two shards overlap'):
        merge_annotations(reference, [a, b], tmp_path / 'o.json')
    assert not (tmp_path / 'o.json').exists()
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


def test_the_text_is_that_of_json_dump(merge, tmp_path):
    for options in ({}, {'include_gt': True}, {'min_score': 9}):
        merged, _ = merge(**options)
        assert (tmp_path / 'merged.json').read_text() == json.dumps(merged)


def test_memory_does_not_grow_with_the_number_of_masks(
    tmp_path, write_json, make_annotation
):
    """Both inputs are longer than what is read at a time."""
    images = [{'id': i, 'height': 12, 'width': 16} for i in range(200)]
    head = {'images': images, 'categories': [{'id': 1, 'name': 'thing'}]}
    ref = write_json('ref.json', {**head, 'annotations': []})

    def peak(n_masks: int) -> int:
        masks = write_json(
            'masks.json',
            [[make_annotation(i, r) for r in range(n_masks)] for i in range(200)],
        )
        assert masks.stat().st_size > 2**20
        tracemalloc.start()
        summary = merge_annotations(ref, [masks], tmp_path / 'out.json')
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert summary.n_kept == 200 * n_masks
        return size

    # 8,000 annotations more take 10 MiB as objects.
    assert peak(65) < peak(25) + 3 * 2**20


def test_a_truncated_input_leaves_nothing_behind(tmp_path, reference, shards):
    whole = tmp_path / 'shard_0.json'
    whole.write_text(whole.read_text()[:-5])
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r'shard_0\.json is not valid.*line 1, col'):
        merge_annotations(reference, [tmp_path / 'shard_*.json'], tmp_path / 'out.json')
    assert set(tmp_path.iterdir()) == before


def test_the_same_rank_twice_is_refused(
    tmp_path, reference, write_json, make_annotation
):
    twice = write_json('twice.json', [[make_annotation(7, 0), make_annotation(7, 0)]])
    again = r'twice\.json\[0\]\[1\]: rank 0 of image_id 7 .* read from .*\[0\]\[0\]'
    with pytest.raises(ValueError, match=again):
        merge_annotations(reference, [twice], tmp_path / 'o.json')


def test_what_json_does_not_know_is_named(
    tmp_path, reference, write_json, make_annotation
):
    odd = write_json('odd.json', [[make_annotation(7, 0, note=float('nan'))]])
    with pytest.raises(ValueError, match=r'odd\.json\[0\]\[0\] cannot be written'):
        merge_annotations(reference, [odd], tmp_path / 'o.json')
    assert not (tmp_path / 'o.json').exists()


@pytest.fixture
def results(write_json, make_rle):
    """Results of another tool: a dog that is labelled, and something that is not."""
    return write_json(
        'results.json',
        [
            {'image_id': 7, 'score': 0.9, 'segmentation': make_rle(0, 0, 3, 4)},
            {'image_id': 7, 'score': 0.8, 'segmentation': [[8, 2, 12, 2, 12, 6, 8, 6]]},
            {'image_id': 9, 'score': 0.7, 'segmentation': make_rle(0, 0, 3, 4)},
        ],
    )


def test_results_are_compared_with_the_seen_classes(tmp_path, reference, results):
    def merged(seen_class, **options):
        options = MergeOptions(seen_class=seen_class, **options)
        merge_annotations(reference, [results], tmp_path / 'out.json', options)
        return json.loads((tmp_path / 'out.json').read_text())['annotations']

    assert [ann['gt_iou'] for ann in merged(['dog'])] == [0.75, 0.0, 0.0]
    assert [ann['gt_iou'] for ann in merged('person')] == [0.0, 0.0, 0.0]
    anns = merged('not:person', max_gt_iou=0.75)
    assert [(ann['image_id'], ann['rank'], ann['source']) for ann in anns] == [
        (7, 1, 'file'),
        (9, 0, 'file'),
    ]


def test_an_unknown_overlap_is_never_taken_for_none(tmp_path, reference, results):
    out = tmp_path / 'out.json'
    merge_annotations(reference, [results], out)
    anns = json.loads(out.read_text())['annotations']
    assert [ann['gt_iou'] for ann in anns] == [None, None, None]
    for path in (results, out):
        with pytest.raises(ValueError, match=r'gt_iou is unknown.*needs --seen-'):
            merge_annotations(
                reference, [path], tmp_path / 'o', MergeOptions(max_gt_iou=0.5)
            )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'segmentation': None}, r"annotations\[1\]: key 'segmentation' is NoneType"),
        ({'image_id': 5}, r'annotations\[1\]: image_id is none of the images'),
        (
            {'segmentation': {'size': [2, 2], 'counts': '4'}},
            r"annotations\[1\]: key 'segmentation' has size \[2, 2\], the image is",
        ),
    ],
)
def test_broken_ground_truth_is_named(tmp_path, reference, results, change, message):
    content = json.loads(reference.read_text())
    content['annotations'][1].update(change)
    reference.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf'ref\.json: {message}'):
        merge_annotations(
            reference, [results], tmp_path / 'o', MergeOptions(seen_class='not:person')
        )


def test_an_unknown_split_is_named(tmp_path, reference, results):
    with pytest.raises(ValueError, match=r"ref\.json: unknown class split 'cats'"):
        merge_annotations(
            reference, [results], tmp_path / 'o', MergeOptions(seen_class='cats')
        )


def test_crowds_are_not_compared_with(tmp_path, reference, results):
    content = json.loads(reference.read_text())
    for ann in content['annotations']:
        ann['iscrowd'] = 1
    reference.write_text(json.dumps(content))
    merge_annotations(
        reference, [results], tmp_path / 'o', MergeOptions(seen_class=['dog'])
    )
    anns = json.loads((tmp_path / 'o').read_text())['annotations']
    assert {ann['gt_iou'] for ann in anns} == {0.0}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'the top level is a list'),
        ({'images': [], 'categories': []}, r"no list \['annotations'\]"),
        (
            {'images': [], 'categories': [], 'annotations': 3},
            r"no list \['annotations'\]",
        ),
        (
            {'images': [], 'categories': [], 'annotations': [{}]},
            r"annotations\[0\]: key 'id' is missing",
        ),
        (
            {'images': [{'id': 1}], 'categories': [], 'annotations': []},
            r'images\[0\] lacks height or width',
        ),
    ],
)
def test_a_broken_reference_is_named(tmp_path, write_json, shards, content, message):
    ref = write_json('bad.json', content)
    with pytest.raises(ValueError, match=rf'bad\.json.*{message}'):
        merge_annotations(ref, [tmp_path / 'shard_0.json'], tmp_path / 'o.json')


def test_files_for_each_image_hold_what_is_kept(tmp_path, reference, shards):
    out, folder = tmp_path / 'out.json', tmp_path / 'anns'
    inputs = [tmp_path / 'shard_*.json']
    options = MergeOptions(max_gt_iou=0.6, include_gt=True)
    summary = merge_annotations(reference, inputs, out, options, folder)
    assert summary.n_files == 2
    kept = load_pseudo_annotations(out)
    assert read_per_image(folder, 7) == kept[7]
    assert [ann['rank'] for ann in kept[7]] == [1]
    # A stricter choice leaves nothing, and says so for every image.
    options = MergeOptions(min_score=9, include_gt=True)
    merge_annotations(reference, inputs, out, options, folder)
    assert read_per_image(folder, 7) == []
    assert (folder / '9.json').read_text() == '[]'


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
    arguments += ['--per-image-dir', tmp_path / 'anns', '--seen-class', 'not:person']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert '2 of 3 pseudo masks from 2 files on 2 of 2 images' in said
    assert 'anns: 2 files, one an image' in said
    assert read_per_image(tmp_path / 'anns', 9)[0]['category_id'] == 3
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
