"""Quality of proposals, the training of their ranker, and both command lines."""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api
from scipy.io import savemat

from mmdet_ovis.apis.benchmarks.proposals import (
    ProposalTask,
    run_benchmark,
    summarize_outcomes,
)
from mmdet_ovis.apis.proposal_tasks import read_truth
from mmdet_ovis.apis.ranker_training import (
    cross_validate,
    describe_image,
    train_ranker,
)
from pa_lib import GroupingConfig
from pa_lib.learned_ranking import load_ranker

ROOT = Path(__file__).resolve().parents[2]
CONFIG = GroupingConfig.ggn(footprint_size=8)
SIZE = (96, 128)


def draw_squares(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Affinity with three closed squares of two sizes, and their masks."""
    rng = np.random.default_rng(seed)
    affinity = np.full(SIZE, 0.9, np.float32)
    masks = np.zeros((3, *SIZE), bool)
    for mask, (left, side) in zip(masks, ((4, 24), (44, 24), (84, 36)), strict=True):
        top = int(rng.integers(4, SIZE[0] - side - 4))
        square = np.s_[top : top + side, left : left + side]
        mask[square] = True
        affinity[square] = 0.05
        inner = np.s_[top + 1 : top + side - 1, left + 1 : left + side - 1]
        affinity[inner] = 0.9
    noise = 0.02 * rng.random(SIZE).astype(np.float32)
    return affinity + noise, masks


def make_task(seed: int) -> ProposalTask:
    affinity, masks = draw_squares(seed)
    return ProposalTask(
        name=str(seed),
        affinity=partial(np.asarray, affinity),
        masks=partial(np.asarray, masks),
        areas=masks.sum(axis=(1, 2)).astype(float),
    )


@pytest.fixture
def dataset(tmp_path):
    """Four images as a COCO file with boundary maps."""
    images, annotations = [], []
    for i in range(4):
        affinity, masks = draw_squares(i)
        cv2.imwrite(
            str(tmp_path / f'{i}.png'), np.rint(255 * (1 - affinity)).astype('u1')
        )
        images.append(
            {'id': i, 'file_name': f'{i}.jpg', 'height': SIZE[0], 'width': SIZE[1]}
        )
        for category, mask in zip((1, 1, 2), masks, strict=True):
            rle = mask_api.encode(np.asfortranarray(mask.view('u1')))
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': i,
                    'category_id': category,
                    'iscrowd': 0,
                    'area': int(mask.sum()),
                    'bbox': mask_api.toBbox(rle).tolist(),
                    'segmentation': {
                        'size': list(SIZE),
                        'counts': rle['counts'].decode(),
                    },
                }
            )
    path = tmp_path / 'gt.json'
    categories = [{'id': 1, 'name': 'square'}, {'id': 2, 'name': 'big square'}]
    path.write_text(
        json.dumps(
            {'images': images, 'annotations': annotations, 'categories': categories}
        )
    )
    return path


def run_script(monkeypatch, capsys, script, *arguments):
    path = str(ROOT / 'tools' / script)
    monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name='__main__')
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_closed_squares_are_found():
    metrics = run_benchmark([make_task(0), make_task(1)], CONFIG)
    assert metrics['AR@10'] > 0.8
    assert metrics['AR@10'] <= metrics['AR@100'] <= metrics['oracle_recall']
    assert metrics['mean_best_iou'] > 0.9
    assert metrics['images'] == 2
    assert metrics['AR@100_l'] == -1.0


def test_a_flat_map_finds_nothing():
    _, masks = draw_squares(0)
    flat = ProposalTask(
        'flat',
        partial(np.asarray, np.full(SIZE, 0.5)),
        partial(np.asarray, masks),
        masks.sum(axis=(1, 2)),
    )
    metrics = run_benchmark([flat], CONFIG)
    assert metrics['AR@1000'] == 0
    assert metrics['masks'] == 0
    assert metrics['mean_best_iou'] == pytest.approx(
        (masks.sum(axis=(1, 2)) / masks[0].size).mean()
    )


def test_images_without_objects_only_count_for_the_time():
    affinity, _ = draw_squares(0)
    metrics = run_benchmark([ProposalTask('x', partial(np.asarray, affinity))], CONFIG)
    assert set(metrics) == {'images', 'masks', 'regions', 'seconds'}


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match='no image to measure'):
        summarize_outcomes([])


def test_processes_do_not_change_the_result():
    tasks = [make_task(i) for i in range(3)]
    one, two = (run_benchmark(tasks, CONFIG, workers) for workers in (0, 2))
    del one['seconds'], two['seconds']
    assert one == two


def test_cuts_of_closed_squares_equal_the_segmentation():
    affinity, masks = draw_squares(0)
    labels = np.zeros(SIZE, int)
    for k, mask in enumerate(masks, 1):
        labels[mask] = k
    task = ProposalTask(
        'x',
        partial(np.asarray, affinity),
        segmentations=partial(list, [labels, labels]),
    )
    metrics = run_benchmark([task], GroupingConfig(footprint_size=8))
    assert metrics['covering_ODS'] > 0.85
    assert metrics['covering_OIS'] >= metrics['covering_ODS']
    assert metrics['boundary_ODS'] > 0.85


def test_ranker_learns_what_squares_look_like():
    images = [describe_image(make_task(i), CONFIG) for i in range(6)]
    assert images[0].targets.max() > 0.8
    trained = cross_validate(images, CONFIG, folds=3, hidden=4, epochs=40)
    assert trained['AR@10'] > 0.8
    ranker = train_ranker(images[:4], hidden=4, epochs=40)
    scores = ranker(images[5].features)
    best = images[5].targets
    assert scores[best > 0.5].mean() > scores[best == 0].mean() + 0.3


def test_training_repeats_itself():
    images = [describe_image(make_task(i), CONFIG) for i in range(2)]
    one, two = (train_ranker(images, hidden=3, epochs=2) for _ in range(2))
    assert one.to_dict() == two.to_dict()


def test_folds_need_images():
    with pytest.raises(ValueError, match='cannot make 3 folds of 1 images'):
        cross_validate([describe_image(make_task(0), CONFIG)], CONFIG, folds=3)


def test_command_lines(dataset, tmp_path, monkeypatch, capsys):
    """The ranker that one tool trains is measured by the other."""
    source = ('--gt', dataset, '--boundary-maps', tmp_path)
    ranker, metrics = tmp_path / 'ranker.json', tmp_path / 'metrics.json'
    code, out, _ = run_script(
        *(monkeypatch, capsys, 'train_ranker.py', *source, '--every', 4, '--others'),
        *('--set', 'footprint_size=8', '--out', ranker, '--epochs', 2),
    )
    assert code == 0
    assert 'regions of 3 images' in out
    assert load_ranker(ranker).hidden_bias.shape == (12,)
    code, out, _ = run_script(
        *(monkeypatch, capsys, 'analysis_tools/benchmark_proposals.py', *source),
        *('--every', 4, '--workers', 0, '--out', metrics, '--set'),
        *('footprint_size=8', f'ranker={ranker}'),
    )
    assert code == 0
    assert 'AR@100' in out
    assert json.loads(metrics.read_text())['images'] == 1


@pytest.mark.parametrize(
    ('classes', 'n_objects'),
    [(None, 3), (['big square'], 1), (['square', 'big square'], 3), (['all'], 3)],
)
def test_objects_of_some_classes(dataset, classes, n_objects):
    args = argparse.Namespace(
        segmentations=None, gt=dataset, classes=classes, every=1, skip=0, others=False
    )
    truth = read_truth(args)
    assert [len(task['areas']) for _, task in truth] == 4 * [n_objects]
    assert truth[0][1]['masks']().shape == (n_objects, *SIZE)


def test_segmentations_from_mat_files(tmp_path, monkeypatch, capsys):
    affinity, masks = draw_squares(3)
    cv2.imwrite(str(tmp_path / '3.png'), np.rint(255 * (1 - affinity)).astype('u1'))
    cell = np.empty((1, 1), object)
    cell[0, 0] = {'Segmentation': (1 + masks.argmax(axis=0)).astype('u2')}
    savemat(tmp_path / '3.mat', {'groundTruth': cell})
    code, out, _ = run_script(
        *(monkeypatch, capsys, 'analysis_tools/benchmark_proposals.py'),
        *('--segmentations', tmp_path, '--boundary-maps', tmp_path, '--workers', 0),
    )
    assert code == 0
    assert 'covering_ODS' in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--set', 'nms'], 'KEY=VALUE'),
        (['--set', 'mns=0.5'], "did you mean 'nms'"),
        (['--boundary-maps', 'nowhere'], 'nowhere/0.png is missing'),
        (['--skip', '9'], 'no image to measure'),
        (['--classes', 'circle'], "unknown class split 'circle'"),
        (['--classes', 'square', 'circle'], "the dataset lacks: ['circle']"),
    ],
)
def test_misuse_ends_in_one_line(
    dataset, tmp_path, monkeypatch, capsys, arguments, message
):
    code, _, err = run_script(
        *(monkeypatch, capsys, 'analysis_tools/benchmark_proposals.py', '--gt'),
        *(dataset, '--workers', 0, '--boundary-maps', tmp_path, *arguments),
    )
    assert code == 2
    assert message in err
