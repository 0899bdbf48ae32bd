"""What goes wrong in a cluster: kills, full disks, broken images, corrupt files."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from extraction_case import CHUNK_SIZE, N_IMAGES, write_dataset
from mmengine.config import ConfigDict
from PIL import Image

from mmdet_ovis.apis.extraction.images import (
    BrokenImageError,
    check_not_truncated,
    explain_orientation,
)
from mmdet_ovis.apis.extraction.kills import kill_extractions, make_tiny_extraction
from mmdet_ovis.apis.extraction.loop import READERS, read_ahead


def contents(folder):
    """Files by name; the summary holds times, which differ."""
    return {
        path.name: None if 'summary' in path.name else path.read_bytes()
        for path in folder.iterdir()
    }


# ---------------------------------------------------------------- kills


def test_killed_five_times_an_extraction_ends_as_if_nothing_had_been(
    config, checkpoint, tmp_path
):
    config_file = tmp_path / 'config.py'
    config.dump(config_file)
    extraction = {
        'config': config_file,
        'checkpoint': checkpoint,
        'device': 'cpu',
        'chunk_size': 2,
    }
    report = kill_extractions(extraction, tmp_path / 'kills', kills=5, seed=1)
    assert report.identical
    assert report.kills == 5
    assert report.outputs >= 1
    assert report.images == report.outputs * N_IMAGES
    assert report.calls == report.kills + report.outputs
    assert 0 <= report.redone <= report.kills * N_IMAGES
    assert '| outputs identical       | yes' in report.table()
    assert not list((tmp_path / 'kills').iterdir())


def test_a_kill_report_tells_a_difference(config, checkpoint, tmp_path, monkeypatch):
    from mmdet_ovis.apis.extraction import kills

    read, number = kills._contents, []

    def contents_with_litter(folder):
        number.append(folder)
        return read(folder) | ({'litter': b''} if len(number) > 1 else {})

    monkeypatch.setattr(kills, '_contents', contents_with_litter)
    config_file = tmp_path / 'config.py'
    config.dump(config_file)
    extraction = {'config': config_file, 'checkpoint': checkpoint, 'device': 'cpu'}
    report = kill_extractions(extraction, tmp_path / 'k', kills=1, workers=[0])
    assert not report.identical
    assert report.different == report.outputs
    assert '| NO' in report.table()


def test_mistakes_of_a_kill_test_are_explained(checkpoint, tmp_path):
    with pytest.raises(ValueError, match='kills is a positive number, not 0'):
        kill_extractions({}, tmp_path, kills=0)
    with pytest.raises(ValueError, match='at least one number of workers'):
        kill_extractions({}, tmp_path, workers=[])
    broken = {'config': tmp_path / 'none.py', 'checkpoint': tmp_path / 'none.pth'}
    with pytest.raises(FileNotFoundError, match=r'no such checkpoint: .*none\.pth'):
        kill_extractions(broken, tmp_path, kills=1, workers=[0])
    broken['checkpoint'] = checkpoint
    with pytest.raises(ChildProcessError, match='not killed ended with code 1'):
        kill_extractions(broken, tmp_path, kills=1, workers=[0])


def test_a_tiny_extraction_is_made(root, tmp_path, monkeypatch):
    from mmdet_ovis.apis.extraction import extract_pseudo_labels, kills

    monkeypatch.setattr(kills, 'TINY_IMAGES', 3)
    config = root / 'configs' / 'openshapes' / 'pa_extract.py'
    extraction = make_tiny_extraction(config, tmp_path)
    out = tmp_path / 'masks.json'
    summary = extract_pseudo_labels(**extraction, out=out, workers=0)
    assert summary.n_images == 3
    assert summary.n_masks > 3


# ---------------------------------------------------------------- disks


def test_a_full_disk_is_named_and_nothing_is_lost(
    extract, run_tool, monkeypatch, capsys, out, undisturbed
):
    fsync, written = os.fsync, []

    def fill_up(descriptor):
        path = Path(f'/proc/self/fd/{descriptor}').readlink()
        written.extend([path] * path.name.startswith('.chunk-'))
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    options = ['--workers', 0, '--device', 'cpu', '--chunk-size', CHUNK_SIZE]
    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', fill_up)
        assert run_tool(*options) == 2
    error = capsys.readouterr().err
    assert 'chunk-000001.jsonl: No space left on device' in error
    assert 'Traceback' not in error
    assert not out.exists()
    parts = out.parent / 'masks.json.parts'
    assert sorted(path.name for path in parts.glob('*chunk*')) == ['chunk-000000.jsonl']
    assert run_tool(*options) == 0
    assert f'{N_IMAGES} ({CHUNK_SIZE} done before)' in capsys.readouterr().out
    assert out.read_bytes() == undisturbed


def test_a_disk_that_is_full_at_the_end_keeps_all_results(
    extract, monkeypatch, out, undisturbed
):
    fsync = os.fsync

    def refuse_the_output(descriptor):
        path = Path(f'/proc/self/fd/{descriptor}').readlink()
        if path.name.startswith('.masks.json.'):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', refuse_the_output)
        with pytest.raises(OSError, match=r'cannot write .*masks\.json: Disk quota'):
            extract()
    assert not out.exists()
    assert extract().n_resumed == N_IMAGES
    assert out.read_bytes() == undisturbed


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_done(
    run_tool, before, capsys, out
):
    def fail(sample):
        raise AssertionError('predicted in vain')

    before(fail)
    out.parent.write_text('a file where a folder should be')
    assert run_tool('--workers', 0, '--device', 'cpu') == 2
    error = capsys.readouterr().err
    assert f'cannot write {out}: Not a directory' in error
    assert 'Traceback' not in error


def test_a_corrupt_part_is_made_again(extract, before, out, undisturbed):
    def crash(sample):
        if sample.metainfo['img_id'] == 94:
            raise RuntimeError('power failure')

    before(crash)
    with pytest.raises(RuntimeError, match='power failure'):
        extract()
    first, second = sorted((out.parent / 'masks.json.parts').glob('chunk-*'))
    data = bytearray(first.read_bytes())
    data[len(data) // 3] ^= 1
    first.write_bytes(data)
    second.write_bytes(bytes(len(second.read_bytes())))  # blocks that never arrived
    before(lambda sample: None)
    assert extract().n_resumed == 0
    assert out.read_bytes() == undisturbed


# ---------------------------------------------------------------- images


def jpeg(image, mode='RGB', orientation=1, **options):
    exif = Image.Exif()
    exif[0x112] = orientation
    # A picture within the file, as cameras put it there: whole where the file is not.
    small = cv2.imencode('.jpg', image[::4, ::4])[1].tobytes()
    picture = Image.fromarray(np.ascontiguousarray(image)).convert(mode)
    return save(picture, 'JPEG', exif=exif, comment=small, quality=95, **options)


def save(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(image):
    return cv2.imencode('.png', image)[1].tobytes()


# Bytes of a file, given its pixels, and why it is listed. Orientation 6 means that the
# stored picture is to be turned by a quarter.
UNREADABLE = {
    'truncated jpeg': (lambda im: jpeg(im)[:-300], 'is truncated'),
    'truncated progressive jpeg': (
        lambda im: jpeg(im, progressive=True)[:-200],
        'is truncated',
    ),
    'jpeg without an end': (lambda im: jpeg(im)[:-2], 'is truncated'),
    'jpeg that ends in zeros': (
        lambda im: jpeg(im)[:-100] + bytes(100),
        'is truncated',
    ),
    'no bytes': (lambda im: b'', 'cannot be decoded'),
    'zero bytes': (lambda im: bytes(2000), 'cannot be decoded'),
    'truncated png': (lambda im: png(im)[:-40], 'cannot be decoded'),
    'exif of what is stored': (
        lambda im: jpeg(im, orientation=6),
        'the EXIF orientation of the file is 6',
    ),
}
READABLE = {
    '16-bit png': lambda im: png(im[..., 0].astype(np.uint16) * 257),
    'cmyk jpeg': lambda im: jpeg(im, mode='CMYK'),
    'progressive jpeg': lambda im: jpeg(im, progressive=True),
    'jpeg with a video behind it': lambda im: jpeg(im) + b'\xff\xda' + bytes(500),
    'png with a palette': lambda im: save(Image.fromarray(im).quantize(8), 'PNG'),
    'exif of what is shown': lambda im: jpeg(np.rot90(im), orientation=6),
}


@pytest.fixture
def zoo(tmp_path, config):
    """Images of many kinds among ordinary ones, all 64 x 80 pixels."""
    folder = tmp_path / 'zoo'
    kinds = [*UNREADABLE, *READABLE]
    write_dataset(folder, n_images=60)
    content = json.loads((folder / 'ann.json').read_text())
    wide = [image for image in content['images'] if image['width'] == 80]
    chosen = {}
    for kind, entry in zip(kinds, wide, strict=False):
        path = folder / entry['file_name']
        make = READABLE.get(kind) or UNREADABLE[kind][0]
        path.write_bytes(make(cv2.imread(str(path))))  # the suffix says nothing
        chosen[entry['id']] = kind
    assert len(chosen) == len(kinds)
    config.test_dataloader.dataset.data_root = str(folder)
    return chosen


@pytest.mark.parametrize('workers', [0, 2])
def test_exactly_the_unreadable_images_are_listed(extract, zoo, out, workers):
    summary = extract(workers=workers, max_broken=0.2)
    listed = {
        zoo[entry['image_id']]: entry['reason']
        for entry in map(
            json.loads,
            out.with_name('masks.json.quarantine.jsonl').read_text().splitlines(),
        )
    }
    assert listed.keys() == UNREADABLE.keys()
    for kind, (_, reason) in UNREADABLE.items():
        assert reason in listed[kind], kind
    assert summary.n_quarantined == len(UNREADABLE)
    lists = json.loads(out.read_text())
    assert len(lists) == 60
    by_id = {anns[0]['image_id']: anns for anns in lists if anns}
    for image_id, kind in zoo.items():
        # In those that can be read, both objects are found where they are.
        boxes = [ann['bbox'] for ann in by_id.get(image_id, [])]
        n_bars = sum(abs(box[0] - 34) <= 2 and box[3] > 30 for box in boxes)
        assert n_bars == (kind in READABLE), kind


def test_annotations_of_stored_pixels_go_with_a_loader_that_does_not_turn(
    extract, zoo, config, out
):
    loader = config.test_dataloader.dataset.pipeline[0]
    loader.color_type = 'color_ignore_orientation'
    summary = extract(max_broken=0.2)
    (turned,) = (i for i, kind in zoo.items() if kind == 'exif of what is shown')
    listed = {image.image_id: image.reason for image in read_quarantine(out)}
    assert 'the EXIF orientation of the file is 6' in listed[turned]
    assert 'exif of what is stored' not in {zoo[image_id] for image_id in listed}
    assert summary.n_quarantined == len(UNREADABLE)


def test_a_wrong_size_has_other_reasons_than_exif(tmp_path):
    path = tmp_path / 'x.jpg'
    image = np.zeros((64, 80, 3), np.uint8)
    path.write_bytes(jpeg(image, orientation=6))
    assert 'orientation of the file is 6' in explain_orientation(
        str(path), (80, 64), (64, 80)
    )
    assert explain_orientation(str(path), (80, 60), (64, 80)) == ''
    path.write_bytes(jpeg(image, orientation=3))
    assert explain_orientation(str(path), (80, 64), (64, 80)) == ''
    path.write_text('what only another program can decode')
    assert explain_orientation(str(path), (80, 64), (64, 80)) == ''


def read_quarantine(out):
    path = out.with_name('masks.json.quarantine.jsonl')
    return [ConfigDict(json.loads(line)) for line in path.read_text().splitlines()]


def test_decoders_that_put_up_with_half_a_file_are_not_believed(tmp_path):
    """OpenCV 4.8 gives grey for what is missing; the check does not rely on it."""
    path = tmp_path / 'x.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    for make, reason in UNREADABLE.values():
        path.write_bytes(make(noise))
        if reason == 'is truncated':
            assert b'\xff\xd9' in path.read_bytes()  # of the picture within
            with pytest.raises(BrokenImageError, match=r'x\.jpg: the file is trunc'):
                check_not_truncated(str(path))
        else:
            check_not_truncated(str(path))
    for make in READABLE.values():
        path.write_bytes(make(noise))
        check_not_truncated(str(path))
    check_not_truncated(str(tmp_path / 'missing.jpg'))


# ---------------------------------------------------------------- reading ahead


def test_images_are_read_ahead_in_order_and_not_too_far():
    started, finished = [], threading.Event()

    def read(task):
        started.append(task)
        if task == 0:
            finished.wait(10)
        return task * task

    results = read_ahead(read, range(100), threads=2)
    task, result = next(results)
    assert task == 0
    while len(started) < 4:
        time.sleep(0.001)
    assert not result.done()
    assert max(started) <= 4  # two a thread, and the one that was handed out
    finished.set()
    rest = [(task, result.result()) for task, result in results]
    assert rest == [(task, task * task) for task in range(1, 100)]


def test_reading_stops_with_whoever_asks():
    started = []
    results = read_ahead(lambda task: started.append(task), range(10**6), threads=2)
    next(results)
    results.close()
    assert len(started) <= 5
    assert not [t for t in threading.enumerate() if t.name.startswith('reader')]


def test_an_error_of_a_reader_is_that_of_the_job(extract, config, monkeypatch):
    from mmdet.datasets.transforms import PackDetInputs

    def fail(self, results):
        raise RuntimeError('a mistake in the pipeline')

    monkeypatch.setattr(PackDetInputs, 'transform', fail)
    with pytest.raises(RuntimeError, match='a mistake in the pipeline'):
        extract()
    assert READERS > 1


@pytest.mark.parametrize('workers', [1, 2, 4])
def test_any_number_of_workers_and_shards_gives_the_same_bytes(
    extract, out, undisturbed, workers
):
    assert extract(workers=workers).n_masks > 0
    assert out.read_bytes() == undisturbed
