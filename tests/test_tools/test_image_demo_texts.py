"""``tools/image_demo.py`` on the words of a user."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from mmengine.logging import MMLogger
from ov_case import ENCODER, picture, write_bank, write_detector
from pycocotools import mask as mask_api
from pycocotools.coco import COCO

from mmdet_ovis.utils.image import read_image

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'image_demo.py'
DETECT = ('--config', 'detector.py', '--weights', 'detector.pth', '--device', 'cpu')
WORDS = ('--embeddings', 'bank.npz', '--texts', 'dog. traffic cone. red mug')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A detector, a bank, two images, one broken image, a video."""
    folder = tmp_path_factory.mktemp('demo')
    write_detector(folder)
    write_bank(folder / 'bank.npz')
    (folder / 'in' / 'deep').mkdir(parents=True)
    cv2.imwrite(str(folder / 'in' / 'a.png'), picture())
    cv2.imwrite(str(folder / 'in' / 'deep' / 'b.jpg'), picture(100, 90, seed=1))
    (folder / 'broken').mkdir()
    (folder / 'broken' / 'c.jpg').write_bytes(b'no image')
    (folder / 'broken' / 'd.mp4').write_bytes(b'no video')
    cv2.imwrite(str(folder / 'broken' / 'e.png'), picture())
    codec = cv2.VideoWriter.fourcc(*'mp4v')
    video = cv2.VideoWriter(str(folder / 'clip.mp4'), codec, 5, (128, 96))
    for seed in range(3):
        video.write(picture(seed=seed))
    video.release()
    return folder


@pytest.fixture
def run(monkeypatch, folder, tmp_path, capfd):
    """Run the tool in this process; returns its exit code and what it says."""

    def run_tool(*arguments, out=tmp_path / 'out'):
        monkeypatch.chdir(folder)
        command = [str(TOOL), *map(str, arguments), '--out-dir', str(out)]
        monkeypatch.setattr(sys, 'argv', command)
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        said = capfd.readouterr()
        return stop.value.code, said.out + said.err

    return run_tool


def test_case_25_pictures_and_a_coco_file(run, tmp_path):
    code, text = run('in', *DETECT, *WORDS, '--topk', 5, '--background', 'sky')
    assert code == 0
    assert '3 words, scores above 0.05' in text
    assert '2 files written, 5 instances found' in text
    path = tmp_path / 'out' / 'detections.json'
    coco = COCO(str(path))
    assert [c['name'] for c in coco.dataset['categories']] == [
        'dog',
        'traffic cone',
        'red mug',
    ]
    (image,) = coco.dataset['images']
    assert (image['file_name'], image['height'], image['width']) == (
        'in/a.png',
        96,
        128,
    )
    assert len(coco.anns) == 5
    for ann in coco.anns.values():
        assert coco.annToMask(ann).shape == (96, 128)
        assert int(coco.annToMask(ann).sum()) == ann['area']
        assert 0.05 < ann['score'] <= 1
    assert len(coco.loadRes(coco.dataset['annotations']).anns) == 5
    # Small images are enlarged, so that names can be read.
    assert read_image(tmp_path / 'out' / 'a.png').shape == (480, 640, 3)


def test_patterns_and_lists_of_rles(run, tmp_path):
    code, _ = run(
        *('in/**/*.*', 'in/a.png', *DETECT, *WORDS, '--topk', 2),
        *('--save-json', 'rle', '--batch-size', 2),
    )
    assert code == 0
    written = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert written == ['a.json', 'a.png', 'b.json', 'b.png']
    for name, size in (('a', (96, 128)), ('b', (100, 90))):
        instances = json.loads((tmp_path / 'out' / f'{name}.json').read_text())
        assert len(instances) == 2
        assert instances[0]['score'] >= instances[1]['score']
        assert instances[0]['name'] in ('dog', 'traffic cone', 'red mug')
        assert mask_api.decode(instances[0]['segmentation']).shape == size


@pytest.mark.parametrize('save', ['coco', 'rle'])
def test_a_video(run, tmp_path, save):
    options = ('--topk', 1, '--no-masks', '--save-json', save, '--batch-size', 2)
    code, _ = run('clip.mp4', *DETECT, *WORDS, *options)
    assert code == 0
    drawn = mmcv.VideoReader(str(tmp_path / 'out' / 'clip.mp4'))
    assert (drawn.frame_cnt, drawn.width, drawn.height) == (3, 640, 480)
    if save == 'coco':
        dataset = json.loads((tmp_path / 'out' / 'detections.json').read_text())
        assert [image['frame'] for image in dataset['images']] == [0, 1, 2]
        assert dataset['images'][2]['file_name'] == 'clip.mp4#2'
        assert 'segmentation' not in dataset['annotations'][0]
        return
    lines = (tmp_path / 'out' / 'clip.jsonl').read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    assert [frame['frame'] for frame in frames] == [0, 1, 2]
    assert [len(frame['instances']) for frame in frames] == [1, 1, 1]


def test_what_cannot_be_read_is_skipped(run, tmp_path):
    code, text = run('broken', *DETECT, *WORDS)
    assert code == 1
    assert '2 inputs could not be read:\n  broken/c.jpg is not an image' in text
    assert 'broken/d.mp4 is not a video that can be decoded' in text
    written = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert written == ['detections.json', 'e.png']


def cut_off(path, fraction):
    """Write a video of 20 frames whose file ends early, or right before the first."""
    whole = path.with_name('whole.avi')
    codec = cv2.VideoWriter.fourcc(*'MJPG')
    video = cv2.VideoWriter(str(whole), codec, 5, (128, 96))
    for seed in range(20):
        video.write(picture(seed=seed))
    video.release()
    data = whole.read_bytes()
    whole.unlink()
    end = int(fraction * len(data)) if fraction else data.index(b'movi') + 12
    path.write_bytes(data[:end])


def test_a_video_that_ends_early_is_taken_so_far(run, folder, tmp_path, warned):
    cut_off(folder / 'early.avi', 0.5)
    code, text = run('early.avi', *DETECT, *WORDS, '--topk', 1, '--no-masks')
    assert code == 0, text
    dataset = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    frames = [image['frame'] for image in dataset['images']]
    assert frames == list(range(len(frames)))
    assert 1 <= len(frames) < 20
    (message,) = [text for text in warned if 'ends early' in text]
    assert message == (
        f'early.avi ends early: {len(frames)} of its 20 frames can be decoded'
    )


def test_a_video_without_a_frame_is_skipped(run, folder, tmp_path):
    cut_off(folder / 'none.avi', None)
    code, text = run('none.avi', 'in/a.png', *DETECT, *WORDS, '--topk', 1)
    assert code == 1
    assert '1 inputs could not be read:\n  none.avi has no frame that can be' in text
    written = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert written == ['a.png', 'detections.json']


@pytest.fixture
def warned(monkeypatch):
    """What is logged as a warning."""
    said = []

    def keep(_, message, *args):
        said.append(message % args)

    monkeypatch.setattr(MMLogger, 'warning', keep)
    return said


def test_results_stand_in_the_order_of_the_inputs(run, tmp_path):
    inputs = ('in/deep/b.jpg', 'clip.mp4', 'broken/e.png', 'in/a.png')
    code, _ = run(*inputs, *DETECT, *WORDS, '--topk', 1, '--batch-size', 3)
    assert code == 0
    dataset = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    assert [image['file_name'] for image in dataset['images']] == [
        'in/deep/b.jpg',
        'clip.mp4#0',
        'clip.mp4#1',
        'clip.mp4#2',
        'broken/e.png',
        'in/a.png',
    ]
    ids = [ann['image_id'] for ann in dataset['annotations']]
    assert ids == sorted(ids)


EXPLAIN = ('in', '--explain', 'vlm.py', '--texts', 'dog')


@pytest.mark.parametrize(
    'option',
    [('--topk', 3), ('--cfg-options', 'a.b=1'), ('--config', 'detector.py')],
)
def test_explaining_alone_refuses_what_it_would_ignore(run, option):
    code, text = run(*EXPLAIN, *option)
    assert code == 2
    assert f'{option[0]} has no meaning for --explain alone' in text


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('ovis/generate_blip_pa_coco.py', 'generate_blip_pa_coco.py has no model'),
        ('openshapes/pa_train.py', 'PairwiseAffinityPredictor finds no words'),
        ('openshapes/class_agn_mask_rcnn.py', 'MaskRCNN finds no words'),
    ],
)
def test_configs_of_something_else(run, config, message):
    config = TOOL.parents[1] / 'configs' / config
    code, text = run('in', '--config', config, *DETECT[2:], *WORDS)
    assert code == 2
    assert message in text
    assert 'it takes the config of a two-stage detector with an EmbeddingBBox' in text
    assert 'Traceback' not in text


def test_a_model_that_cannot_be_built(run, folder):
    text = (folder / 'detector.py').read_text()
    (folder / 'odd.py').write_text(f'{text}\nmodel["rpn_head"]["colour"] = 3\n')
    code, text = run('in', '--config', 'odd.py', *DETECT[2:], *WORDS)
    assert code == 2
    assert 'error: model of odd.py cannot be built: ' in text
    assert "'colour'" in text


@pytest.mark.parametrize(
    ('words', 'number'),
    [
        (('--vocab-file', 'words.txt'), 2),
        (('--preset', 'coco65'), 65),
        (('--caption', 'Two dogs sit beside a traffic cone.'), 2),
        (('--preset', 'coco80', '--caption', 'Two dogs sit beside a traffic cone.'), 1),
    ],
)
def test_where_words_come_from(run, folder, tmp_path, words, number):
    (folder / 'words.txt').write_text('# mine\ndog\nmug|cup\n')
    encoder = ('--embeddings', 'bank.npz', '--text-encoder', ENCODER)
    code, text = run('in/a.png', *DETECT, *words, *encoder, '--score-thr', 0.2)
    assert code == 0, text
    assert f'{number} words, scores above 0.2' in text


def test_encoded_words_are_kept_beside_the_output(run, tmp_path):
    encoder = ('--text-encoder', ENCODER, '--texts', 'zebra')
    assert run('in/a.png', *DETECT, *encoder)[0] == 0
    (cache,) = (tmp_path / 'out' / 'text_embeddings').iterdir()
    assert np.load(cache)['names'].tolist() == ['zebra']
    assert run('in/a.png', *DETECT, '--embeddings', cache, '--texts', 'zebra')[0] == 0


def test_names_of_outputs_do_not_collide(run, folder, tmp_path):
    (folder / 'twin').mkdir()
    cv2.imwrite(str(folder / 'twin' / 'a.jpg'), picture(seed=5))
    code, _ = run('in/a.png', 'twin/a.jpg', *DETECT, *WORDS, '--draw', 0)
    assert code == 0
    written = sorted(path.name for path in (tmp_path / 'out').glob('*.png'))
    assert written == ['a.png', 'a_2.png']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('in',), 'say what to do: --pa CKPT groups'),
        (('in', *DETECT[:4]), 'no words: give --texts, --vocab-file'),
        (('in', *DETECT[2:], *WORDS), '--weights needs its --config'),
        (('in', '--pa', 'x.pth', '--texts', 'dog'), '--texts goes with --weights or'),
        (('in', '--pa', 'x.pth', '--iou', 0.5), '--iou goes with --weights'),
        (('in', '--pa', 'x.pth', '--no-masks'), '--no-masks goes with --weights'),
        (('in', *DETECT, *WORDS, '--pa', 'x.pth'), '--weights finds words: one of'),
        (('in', *DETECT, *WORDS, '--proposals', 'grid'), 'goes with --explain'),
        (('in', *DETECT, *WORDS, '--preset', 'voc'), 'not allowed with argument'),
        (('in', *DETECT, *WORDS, '--score-thr', 'low'), "--score-thr: it is 'auto' or"),
        (('nowhere/*.jpg', *DETECT, *WORDS), 'error: nothing matches nowhere/*.jpg'),
        (('nowhere', *DETECT, *WORDS), 'error: no such image or folder: nowhere'),
        (('in', *DETECT, *WORDS, '--background', 'dog'), "error: 'dog' cannot be both"),
        (
            ('in', *DETECT, *WORDS, '--caption', 'a zebra'),
            "error: the caption 'a zebra' names none of the 3 words",
        ),
        (('in', *DETECT, '--caption', 'with'), 'error: no noun was found'),
    ],
)
def test_mistakes_end_in_one_line(run, arguments, message):
    code, text = run(*arguments)
    assert code == 2
    assert message in text
    assert 'Traceback' not in text


def test_inputs_are_not_overwritten(run, folder):
    before = (folder / 'in' / 'a.png').read_bytes()
    code, text = run('in', *DETECT, *WORDS, out='in')
    assert code == 2
    assert 'error: in/a.png is an input and would be overwritten' in text
    assert (folder / 'in' / 'a.png').read_bytes() == before
