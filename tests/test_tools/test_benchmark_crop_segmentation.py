"""The benchmark of crops measures what it says."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_ovis.apis.benchmarks.crop_segmentation import (
    benchmark_batching,
    benchmark_segmenter,
    make_discs,
    measure_ious,
)
from mmdet_ovis.pseudo_labels.crop_segmentation import (
    BoxSegmenter,
    CropMask,
    RandomWalkerSegmenter,
)

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/analysis_tools/benchmark_crop_segmentation.py'
)
QUICK = {'width': 16, 'max_side': 32, 'min_iters': 3, 'max_iters': 3}


def test_command_line(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'crops.json'
    options = [f'{key}={value}' for key, value in QUICK.items()]
    arguments = ['--discs', '2', '--repeats', '1', '--out', str(out)]
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments, '--options', *options])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == 0
    table = capsys.readouterr().out
    assert 'one_at_a_time' in table
    assert 'random_walker' in table
    numbers = json.loads(out.read_text())
    batching = numbers['batching']
    assert batching['different_pixels'] == 0
    ratio = batching['one_at_a_time'] / batching['together']
    assert batching['ratio'] == pytest.approx(ratio)
    assert numbers['random_walker']['mean_iou'] > 0.8


def test_discs_are_the_same_for_a_seed():
    tasks, masks = make_discs(4, seed=1)
    again, _ = make_discs(4, seed=1)
    other, _ = make_discs(4, seed=2)
    for one, same, different, mask in zip(tasks, again, other, masks, strict=True):
        assert np.array_equal(one.image, same.image)
        assert not np.array_equal(one.image, different.image)
        assert (one.prompt & mask).sum() > 0.5 * one.prompt.sum()
        x1, y1, x2, y2 = one.box
        assert mask[y1:y2, x1:x2].sum() > 0.8 * mask.sum()
    assert len({task.key for task in tasks}) == 4


def test_overlaps():
    truth = np.zeros((3, 4, 4), bool)
    truth[:, :2] = True
    half = np.zeros((4, 4), bool)
    half[0] = True
    found = [CropMask(truth[0]), CropMask(half), CropMask(None, 'empty_mask')]
    assert measure_ious(found, truth).tolist() == [1, 0.5, 0]


def test_segmenters_are_compared_by_their_masks():
    tasks, masks = make_discs(3)
    walker, box = (
        benchmark_segmenter(each, tasks, masks, repeats=1)
        for each in (RandomWalkerSegmenter(), BoxSegmenter())
    )
    assert walker['mean_iou'] > box['mean_iou'] > 0.5
    assert walker['min_iou'] <= walker['mean_iou']
    assert walker['seconds'] > 0


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match='at least one disc'):
        make_discs(0)
    tasks, _ = make_discs(1)
    with pytest.raises(ValueError, match='repeats'):
        benchmark_batching(QUICK, tasks, repeats=0)
