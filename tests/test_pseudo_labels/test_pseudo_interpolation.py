"""Extracted masks at the size of the original images."""

from __future__ import annotations

import runpy
import sys
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels import interpolate_extracted_masks, interpolation
from mmdet_ovis.utils.io import read_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def make_square(make_rle, make_annotation):
    """A square of 10 x 10 pixels in 50 x 50; its image has 100 x 100."""

    def make(rank: int = 0, **changes) -> dict:
        return make_annotation(
            rank=rank,
            segmentation=make_rle(5, 20, 10, 10, (50, 50)),
            bbox=[5, 20, 10, 10],
            area=100,
            **changes,
        )

    return make


@pytest.mark.parametrize('key', ['ori_shape', 'orig_shape'])
def test_case_c3_twice_the_size(write_json, make_square, make_rle, key):
    path = write_json('masks.json', [[make_square(**{key: [100, 100, 3]})]])
    (summary,) = interpolate_extracted_masks([path])
    ((ann,),) = read_json(summary.out)
    assert ann['area'] == 400
    assert ann['bbox'] == [10, 40, 20, 20]
    assert ann['segmentation'] == make_rle(10, 40, 20, 20, (100, 100))


def test_other_keys_images_and_order_stay(write_json, make_square):
    shape = {'orig_shape': [100, 100]}
    lists = [
        [make_square(0, **shape), make_square(1, **shape, word='dog')],
        [],
        [make_square(image_id=9, **shape)],
    ]
    (summary,) = interpolate_extracted_masks([write_json('masks.json', lists)])
    changed = ('segmentation', 'bbox', 'area')
    for anns, before in zip(read_json(summary.out), lists, strict=True):
        for ann, old in zip(anns, before, strict=True):
            assert {k: v for k, v in ann.items() if k not in changed} == {
                k: v for k, v in old.items() if k not in changed
            }
    assert (summary.n_images, summary.n_read, summary.n_kept) == (3, 3, 3)


def test_same_size_changes_nothing(write_json, make_square):
    ann = make_square(orig_shape=[50, 50])
    (summary,) = interpolate_extracted_masks([write_json('masks.json', [[ann]])])
    assert read_json(summary.out) == [[ann]]


def test_masks_that_vanish_are_dropped_and_counted(
    write_json, make_square, make_annotation, make_rle
):
    pixel = make_annotation(
        rank=0,
        segmentation=make_rle(1, 1, 1, 1, (50, 50)),
        bbox=[1, 1, 1, 1],
        area=1,
        orig_shape=[10, 10],
    )
    square = make_square(1, orig_shape=[10, 10])
    path = write_json('masks.json', [[pixel, square]])
    (summary,) = interpolate_extracted_masks([path])
    ((kept,),) = read_json(summary.out)
    assert (kept['rank'], kept['area']) == (1, 4)
    assert (summary.n_read, summary.n_kept) == (2, 1)


def test_sizes_from_a_reference(write_json, make_square):
    """The reference is right even where an annotation says something else."""
    image = {'id': 7, 'file_name': '7.png', 'height': 25, 'width': 100}
    ref = write_json(
        'ref.json', {'images': [image], 'annotations': [], 'categories': []}
    )
    path = write_json('masks.json', [[make_square(orig_shape=[1, 1])]])
    (summary,) = interpolate_extracted_masks([path], ref=ref)
    ((ann,),) = read_json(summary.out)
    assert mask_api.decode(ann['segmentation']).shape == (25, 100)
    assert ann['bbox'] == [10, 10, 20, 5]


def test_processes_do_not_change_the_bytes(write_json, make_square, tmp_path):
    lists = [[make_square(orig_shape=[60 + i, 70])] for i in range(5)]
    path = write_json('masks.json', lists)
    (one,) = interpolate_extracted_masks([path], tmp_path / 'one')
    (two,) = interpolate_extracted_masks([path], tmp_path / 'two', processes=2)
    assert one.out.read_bytes() == two.out.read_bytes()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({}, r'masks.json\[0\]\[0\]: no key says how large.*--ref'),
        ({'orig_shape': [0, 5]}, r"masks.json\[0\]\[0\]: key 'orig_shape' is \[0, 5\]"),
        ({'ori_shape': '100'}, "key 'ori_shape' is '100'"),
        ({'orig_shape': [9, 9], 'score': 'x'}, r"masks.json\[0\]\[0\]: key 'score'"),
    ],
)
def test_clear_errors(write_json, make_square, changes, message):
    path = write_json('masks.json', [[make_square(**changes)]])
    with pytest.raises(ValueError, match=message):
        interpolate_extracted_masks([path])
    assert not path.with_name('masks_interpolated.json').exists()


def test_images_the_reference_lacks(write_json, make_square):
    ref = write_json('ref.json', {'images': [], 'annotations': [], 'categories': []})
    path = write_json('masks.json', [[make_square()]])
    with pytest.raises(ValueError, match='image_id 7 is not among the 0 images of'):
        interpolate_extracted_masks([path], ref=ref)


def test_outputs_that_would_collide(write_json, make_square, tmp_path):
    (tmp_path / 'a').mkdir()
    one = write_json('masks.json', [[make_square(orig_shape=[9, 9])]])
    two = write_json('a/masks.json', [[make_square(orig_shape=[9, 9])]])
    with pytest.raises(ValueError, match='overwrite each other'):
        interpolate_extracted_masks([one, two], tmp_path / 'out')
    assert len(interpolate_extracted_masks([one, two])) == 2


def test_a_coco_file_is_refused(write_json):
    path = write_json('merged.json', {'images': [], 'annotations': []})
    with pytest.raises(ValueError, match='holds a dict; the format of'):
        interpolate_extracted_masks([path])


def test_a_truncated_file_leaves_nothing_behind(write_json, make_square, tmp_path):
    path = write_json('masks.json', [[make_square(orig_shape=[9, 9])], []])
    path.write_text(path.read_text()[:-3])
    for processes in (1, 2):
        with pytest.raises(ValueError, match=r'masks\.json is not valid JSON'):
            interpolate_extracted_masks([path], processes=processes)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_in_one_list_ends_all_processes(write_json, make_square, tmp_path):
    lists = [[make_square(orig_shape=[9, 9])]] * 9 + [[make_square()]]
    path = write_json('masks.json', lists)
    with pytest.raises(ValueError, match=r'masks\.json\[9\]\[0\]: no key says'):
        interpolate_extracted_masks([path], processes=2)
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_dies(write_json, make_square, monkeypatch, tmp_path):
    class Dying(Executor):
        def __init__(self, *_):
            pass

        def submit(self, *_):
            raise BrokenProcessPool

    monkeypatch.setattr(interpolation, 'ProcessPoolExecutor', Dying)
    path = write_json('masks.json', [[make_square(orig_shape=[9, 9])]])
    with pytest.raises(ChildProcessError, match='fewer --processes'):
        interpolate_extracted_masks([path], processes=2)
    assert list(tmp_path.iterdir()) == [path]


def test_only_a_few_lists_are_read_ahead():
    taken = []

    class Now(Executor):
        def submit(self, function, task):
            future = Future()
            future.set_result(function(task))
            return future

    def tasks():
        for i in range(100):
            taken.append(i)
            yield []

    results = interpolation._map_ahead(Now(), 4, tasks())
    next(results)
    assert len(taken) == 4
    assert len(list(results)) == 99


def test_command_line(write_json, make_square, monkeypatch, capsys):
    path = write_json('masks.json', [[make_square(orig_shape=[100, 100])], []])
    tool = str(ROOT / 'tools/interpolate_extracted_masks.py')
    monkeypatch.setattr(sys, 'argv', [tool, '--inputs', str(path), '--processes', '1'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    assert '1 of 1 masks on 2 images, 0 vanished' in capsys.readouterr().out
