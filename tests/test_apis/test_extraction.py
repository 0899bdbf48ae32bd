"""Extraction from a tiny network whose affinity is the intensity of the image."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys

import cv2
import numpy as np
import pytest
import torch
from extraction_case import CHUNK_SIZE, N_IMAGES, SIZES, IntensityAffinity
from mmengine.logging import MMLogger

from mmdet_ovis.apis.extraction import ExtractionInterrupted
from mmdet_ovis.pseudo_labels import SignatureMismatchError, TooManyBrokenError
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation
from mmdet_ovis.utils import progress


def image_id_of(sample) -> int:
    return sample.metainfo['img_id']


def test_case_c1_one_valid_entry_an_image(extract, out, dataset):
    summary = extract()
    lists = json.loads(out.read_text())
    images = json.loads((dataset / 'ann.json').read_text())['images']
    assert len(lists) == N_IMAGES
    by_id = {image['id']: image for image in images}
    assert all(lists)
    ids = [anns[0]['image_id'] for anns in lists]
    assert ids == [image['id'] for image in images]
    for i, anns in enumerate(lists):
        assert [ann['rank'] for ann in anns] == list(range(len(anns)))
        for ann in anns:
            check_pseudo_annotation(ann, str(i))
            image = by_id[ann['image_id']]
            assert ann['segmentation']['size'] == [image['height'], image['width']]
    assert summary.n_images == N_IMAGES
    assert summary.n_masks == sum(map(len, lists))
    assert summary.masks_per_image == pytest.approx(summary.n_masks / N_IMAGES, 1e-4)
    assert set(summary.seconds) == {
        *('reading', 'network', 'grouping', 'encoding', 'total')
    }
    saved = json.loads(out.with_name('masks.json.summary.json').read_text())
    assert saved['n_masks'] == summary.n_masks
    assert saved['seconds'] == summary.seconds
    assert f'{summary.n_masks} (' in summary.table()


def test_both_objects_are_found_and_only_the_seen_one_is_explained(extract, out):
    extract()
    for anns in json.loads(out.read_text()):
        seen = [ann for ann in anns if ann['gt_iou'] > 0.7]
        unseen = [ann for ann in anns if abs(ann['bbox'][0] - 34) <= 2]
        assert len(seen) == 1
        assert len(unseen) == 1
        assert unseen[0]['gt_iou'] == 0


def test_without_gt_masks_nothing_is_compared(extract, out, undisturbed):
    summary = extract(use_gt_masks=False)
    assert summary.mean_gt_iou == 0
    expected = json.loads(undisturbed)
    for anns in expected:
        for ann in anns:
            ann['gt_iou'] = 0.0
    assert json.loads(out.read_text()) == expected


def test_topk_and_limit(extract, out):
    summary = extract(topk=1, limit=2)
    assert [len(anns) for anns in json.loads(out.read_text())] == [1, 1]
    assert summary.n_images == 2


def test_grouping_parameters_reach_the_grouping(extract, out, undisturbed):
    extract(cfg_options={'pa_to_masks.min_component_size': 10**6})
    assert json.loads(out.read_text()) == [[]] * N_IMAGES
    with pytest.raises(ValueError, match='join_tresh'):
        extract(cfg_options={'pa_to_masks.join_tresh': 1}, overwrite=True)


def test_grouping_parameters_of_the_model_are_taken_where_there_are_no_others(
    extract, config, out, undisturbed
):
    config.model.test_cfg = {'pa_to_masks': config.pop('pa_to_masks')}
    extract()
    assert out.read_bytes() == undisturbed


@pytest.mark.parametrize('workers', [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(extract, out, tmp_path, workers):
    globalized = {'cfg_options': {'pa_to_masks.use_globalization': 0.5}}
    expected = tmp_path / 'expected.json'
    extract(out=expected, **globalized)
    summary = extract(workers=workers, **globalized)
    assert out.read_bytes() == expected.read_bytes()
    assert summary.seconds['grouping'] > 0


def test_masks_have_the_original_size_though_the_network_sees_another(
    extract, config, out
):
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline.insert(1, {'type': 'Resize', 'scale_factor': 2.0})
    extract()
    for anns, size in zip(json.loads(out.read_text()), SIZES * 3, strict=False):
        assert anns
        assert {tuple(ann['segmentation']['size']) for ann in anns} == {size}


def test_a_complete_run_is_not_repeated(extract, before, out, undisturbed):
    first = extract()

    def fail(sample):
        raise AssertionError('predicted again')

    before(fail)
    again = extract()
    assert (again.n_masks, again.n_resumed) == (first.n_masks, N_IMAGES)
    before(lambda sample: None)
    extract(overwrite=True)
    assert out.read_bytes() == undisturbed


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('crash_at', [0, 4, 6])
def test_a_crash_costs_one_chunk_at_most(
    extract, before, out, undisturbed, crash_at, workers
):
    seen = []

    def crash(sample):
        if len(seen) == crash_at:
            raise RuntimeError('power failure')
        seen.append(image_id_of(sample))

    before(crash)
    with pytest.raises(RuntimeError, match='power failure'):
        extract(workers=workers)
    assert not out.exists()
    again = []
    before(lambda sample: again.append(image_id_of(sample)))
    summary = extract(workers=0)
    assert out.read_bytes() == undisturbed
    assert summary.n_resumed + len(again) == N_IMAGES
    if workers == 0:
        assert summary.n_resumed == crash_at // CHUNK_SIZE * CHUNK_SIZE


def test_a_truncated_part_is_made_again(extract, before, out, undisturbed):
    def crash(sample):
        if image_id_of(sample) == 94:
            raise RuntimeError('power failure')

    before(crash)
    with pytest.raises(RuntimeError, match='power failure'):
        extract()
    parts = sorted((out.parent / 'masks.json.parts').glob('chunk-*'))
    assert len(parts) == 2
    parts[0].write_bytes(parts[0].read_bytes()[:-20])
    before(lambda sample: None)
    assert extract().n_resumed == CHUNK_SIZE
    assert out.read_bytes() == undisturbed


@pytest.fixture
def interruptible():
    """Ctrl-C as a terminal sends it; jobs in the background start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures('interruptible')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('workers', [0, 2])
def test_a_signal_closes_the_job_cleanly(
    extract, before, out, undisturbed, number, workers
):
    def interrupt(sample):
        if image_id_of(sample) == 96:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    before(interrupt)
    with pytest.raises(ExtractionInterrupted, match='repeat the command to resume'):
        extract(workers=workers)
    assert signal.getsignal(number) is handler
    before(lambda sample: None)
    extract()
    assert out.read_bytes() == undisturbed


def test_other_settings_are_refused_by_name(extract, checkpoint, dataset):
    extract()
    with pytest.raises(SignatureMismatchError, match=r'topk: 5 there, 3 here'):
        extract(topk=3)
    with pytest.raises(SignatureMismatchError, match=r'nms: 0\.2 there, 0\.5 here'):
        extract(cfg_options={'pa_to_masks.nms': 0.5})
    with pytest.raises(SignatureMismatchError, match='use_gt_masks: true there'):
        extract(use_gt_masks=False)
    torch.save({'state_dict': {'scale': torch.full((1,), 0.5)}}, checkpoint)
    with pytest.raises(SignatureMismatchError, match='checkpoint_sha256'):
        extract()


def test_a_dead_worker_is_explained(extract):
    with pytest.raises(ChildProcessError, match='resume, with fewer --workers'):
        extract(workers=1, cfg_options={'extraction.type': 'DyingSource'})


def test_progress_is_logged_where_there_is_no_terminal(extract, monkeypatch):
    monkeypatch.setattr(progress, '_LOG_SECONDS', 0.0)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        extract()
    finally:
        logger.removeHandler(handler)
    (line,) = (line for line in lines if line.startswith('extraction: 3/7 images, '))
    assert re.search(r'[\d.]+ images/s, 0:00:\d\d left', line)


def test_progress_is_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    with progress.show_progress('extraction', 4, done=3) as advance:
        advance()
    text = capsys.readouterr().err
    assert '4/4' in text
    assert 'images/s' in text


def break_image(path, how):
    if how == 'missing':
        path.unlink()
    elif how == 'empty':
        path.write_bytes(b'')
    elif how == 'truncated':
        path.write_bytes(path.read_bytes()[:60])
    elif how == 'no image':
        path.write_text('hello')
    else:
        cv2.imwrite(str(path), np.zeros((40, 50), np.uint8))


@pytest.mark.parametrize(
    ('how', 'reason'),
    [
        ('missing', 'No such file'),
        ('empty', 'cannot be decoded'),
        ('truncated', 'cannot be decoded'),
        ('no image', 'cannot be decoded'),
        ('other size', 'the file is 40x50, the annotation file says 64x80'),
    ],
)
def test_an_unreadable_image_is_listed_and_the_job_ends_well(
    extract, out, dataset, undisturbed, how, reason
):
    break_image(dataset / '04.png', how)
    summary = extract()
    expected = json.loads(undisturbed)
    expected[4] = []
    assert json.loads(out.read_text()) == expected
    (entry,) = out.with_name('masks.json.quarantine.jsonl').read_text().splitlines()
    assert json.loads(entry)['image_id'] == 96
    assert reason in json.loads(entry)['reason']
    assert '04.png' in json.loads(entry)['reason']
    assert summary.n_quarantined == 1
    assert summary.quarantine[0].image_id == 96
    assert '96: ' in summary.table()


def test_a_nan_affinity_is_listed(extract, before, out, undisturbed):
    def spoil(sample):
        value = float('nan') if image_id_of(sample) == 98 else 1.0
        spoilt.append(value)

    spoilt: list[float] = []
    before(spoil)
    forward = IntensityAffinity.forward

    def spoilt_forward(self, inputs, data_samples=None, mode='tensor'):
        samples = forward(self, inputs, data_samples, mode)
        samples[0].pred_affinity.data[0, 3, 4] *= spoilt[-1]
        return samples

    IntensityAffinity.forward = spoilt_forward
    try:
        summary = extract()
    finally:
        IntensityAffinity.forward = forward
    (broken,) = summary.quarantine
    assert broken.image_id == 98
    assert '1 of 4608 predicted affinities are NaN' in broken.reason
    assert json.loads(out.read_text())[3] == json.loads(undisturbed)[3]


def test_too_many_unreadable_images_fail_and_can_be_repaired(
    extract, out, dataset, undisturbed
):
    kept = {i: (dataset / f'{i:02d}.png').read_bytes() for i in (0, 5)}
    for i in kept:
        (dataset / f'{i:02d}.png').unlink()
    with pytest.raises(TooManyBrokenError, match=r'2 of 7 .*tolerated: 1'):
        extract(max_broken=0.2)
    assert not out.exists()
    for i, content in kept.items():
        (dataset / f'{i:02d}.png').write_bytes(content)
    summary = extract(max_broken=0.2)
    assert (summary.n_quarantined, summary.n_resumed) == (0, 4)
    assert out.read_bytes() == undisturbed


def test_bad_input_is_named(extract, config, dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        extract(checkpoint=tmp_path / 'none.pth')
    with pytest.raises(FileNotFoundError, match=r'none\.py'):
        extract(config=tmp_path / 'none.py')
    with pytest.raises(ValueError, match='checkpoint of another model'):
        extract(cfg_options={'model.channels': 2})
    with pytest.raises(ValueError, match='limit'):
        extract(limit=0)
    with pytest.raises(ValueError, match='workers'):
        extract(workers=-1)
    dataset_options = 'test_dataloader.dataset'
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        extract(cfg_options={f'{dataset_options}.ann_file': 'none.json'})
    with pytest.raises(ValueError, match='none of its 7 images is left'):
        extract(cfg_options={f'{dataset_options}.filter_cfg.min_size': 999})
    with pytest.raises(ValueError, match='unknown class split'):
        extract(cfg_options={f'{dataset_options}.train_class': 'vocc'})
    (dataset / 'broken.json').write_text('{"images": [')
    with pytest.raises(ValueError, match=r'broken\.json is not valid JSON'):
        extract(cfg_options={f'{dataset_options}.ann_file': 'broken.json'})
    config.pop('test_dataloader')
    with pytest.raises(ValueError, match='no test_dataloader'):
        extract()


@pytest.mark.parametrize(
    'step',
    [
        dict(type='mmcv.RandomFlip', prob=1.0),
        dict(type='RandomCrop', crop_size=(32, 32)),
        dict(type='RandomApply', transforms=[dict(type='ShearX')]),
    ],
)
def test_a_pipeline_that_moves_pixels_is_refused(extract, config, out, step):
    """Masks of what it leaves would not be where the image file has them."""
    config.test_dataloader.dataset.pipeline.insert(1, step)
    with pytest.raises(
        ValueError, match=r'has (ShearX|.*Flip|RandomCrop), which moves'
    ):
        extract()
    assert not out.parent.exists()


def test_the_exit_codes_of_the_tool(run_tool, before, capsys, out, dataset):
    def interrupt(sample):
        os.kill(os.getpid(), signal.SIGTERM)

    options = ['--workers', 0, '--device', 'cpu']
    before(interrupt)
    assert run_tool(*options) == 75
    assert 'repeat the command to resume' in capsys.readouterr().err
    before(lambda sample: None)
    (dataset / '00.png').unlink()
    assert run_tool(*options, '--max-broken', 0) == 2
    assert '1 of 7 images cannot be processed' in capsys.readouterr().err
    assert run_tool(*options, '--topk', 5, '--use-gt-masks', 1) == 0
    assert '100: ' in capsys.readouterr().out  # the image in quarantine
    assert len(json.loads(out.read_text())) == N_IMAGES
    assert run_tool(*options, '--cfg-options', 'pa_to_masks.use_globalization=1') == 3
    assert 'use_globalization: 0.0 there, 1.0 here' in capsys.readouterr().err
    assert run_tool(*options, '--limit', 2, '--overwrite') == 0
    assert len(json.loads(out.read_text())) == 2
