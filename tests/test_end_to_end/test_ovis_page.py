"""The five commands of docs/ovis.md, from captioned images to pictures with masks.

They run as they stand on the page. The names of models on the hub are folders here,
which is what is looked for first; what is added makes everything small.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config
from ov_case import picture, tiny_model
from pycocotools.coco import COCO
from recipes import ROOT, commands, option, read_page, section, without_launcher
from tiny_models import build_blip
from tiny_text_models import build_clip

from mmdet_ovis.language.embedding_bank import TextEmbeddingBank

COMMANDS = commands(section(read_page('docs/ovis.md'), 'Your own images and words'))
WORDS = ('dog', 'kayak', 'couch', 'red mug')
CAPTIONS = {
    'beach/1.jpg': 'Two dogs near a red kayak.',
    'beach/2.jpg': 'A dog in a kayak.',
    'beach/calm/3.jpg': 'A kayak, and nobody in it.',
    'room.jpg': ['A dog sleeps on a sofa.', 'A red mug beside the sofa.'],
    'sky.jpg': 'Nothing but clouds.',
}
DETECTOR = 'configs/ovis/ovis_pseudo-only_r50-fpn_90k_ov-coco.py'
ITERATIONS = 2
CLIP_DIM = 6  # of tiny_text_models


def flat(changes: dict, prefix: str) -> dict:
    """Write nested settings as ``--cfg-options`` has them."""
    leaves = {}
    for key, value in changes.items():
        path = f'{prefix}.{key}'
        leaves |= flat(value, path) if isinstance(value, dict) else {path: value}
    return leaves


def small_images(name: str) -> dict:
    dataset = Config.fromfile(ROOT / DETECTOR)[name].dataset
    (place,) = (i for i, x in enumerate(dataset.pipeline) if x.type == 'Resize')
    return {f'{name}.dataset.pipeline.{place}.scale': (128, 96)}


def cfg_options(**changes) -> list[str]:
    written = [f'{key}={value}' for key, value in changes.items()]
    return ['--cfg-options', *(text.replace(' ', '') for text in written)]


def additions() -> dict[str, list[str]]:
    """What is appended to the command of each tool."""
    network = flat(tiny_model(CLIP_DIM), 'model')
    generation = {
        'vlm.block': 1,  # the tiny BLIP has four of them
        'source.segmenter.type': 'BoxSegmenter',
        'source.min_box_conf': None,  # boxes agree little with random weights
    }
    training = {
        'train_cfg.max_iters': ITERATIONS,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        **small_images('train_dataloader'),
    }
    return {
        'generate_pseudo_masks.py': ['--workers', '0', *cfg_options(**generation)],
        'prepare_coco_dataset.py': ['--min-conf', '0'],
        'prepare_text_embeddings.py': [],
        'train.py': cfg_options(**network, **training),
        'image_demo.py': [
            *('--score-thr', '0'),
            *cfg_options(**network, **small_images('test_dataloader')),
        ],
    }


def literally(command: list[str], folder: Path) -> list[str]:
    """The command for this machine: one process, and tools where they are."""
    changes = {
        '$PWD': str(folder),
        'iter_90000.pth': f'iter_{ITERATIONS}.pth',
    }
    arguments = []
    for word in without_launcher(command):
        if word.startswith(('tools/', 'configs/')):
            word = str(ROOT / word)
        for before, after in changes.items():
            word = word.replace(before, after)
        arguments.append(word)
    return arguments


def run(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys, 'argv', arguments)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(arguments[0], run_name='__main__')
    assert stop.value.code == 0, arguments


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """What a user has before the first command, and after the last one."""
    pytest.importorskip('transformers')
    folder = tmp_path_factory.mktemp('mine')
    for seed, name in enumerate(CAPTIONS):
        path = folder / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(seed=seed))
    (folder / 'photos').mkdir()
    for name in ('beach/1.jpg', 'room.jpg'):
        shutil.copy(folder / 'images' / name, folder / 'photos')
    entries = [{'image': name, 'caption': text} for name, text in CAPTIONS.items()]
    lines = [json.dumps(entry) for entry in entries]
    (folder / 'captions.jsonl').write_text('\n'.join(lines))
    (folder / 'words.txt').write_text('dog\nkayak\ncouch|sofa\nred mug\n')
    build_blip(folder / 'Salesforce' / 'blip-itm-base-coco')
    build_clip(folder / 'openai' / 'clip-vit-base-patch32')
    added = additions()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            arguments = literally(command, folder)
            run([*arguments, *added[Path(arguments[0]).name]], patch)
    return folder


def test_these_are_the_five_commands():
    tools = [Path(without_launcher(command)[0]).name for command in COMMANDS]
    assert tools == list(additions())


def test_masks_of_words(folder):
    images = json.loads((folder / 'work_dirs/mine/masks.json').read_text())
    assert len(images) == len(CAPTIONS)
    masks = [mask for image in images for mask in image]
    assert len(masks) == 8  # as many as words
    assert {mask['word'] for mask in masks} == set(WORDS)
    assert 'sofa' in {mask['phrase'] for mask in masks}
    described = {'word', 'phrase', 'score', 'coverage', 'density', 'p_match'}
    assert all(described <= mask.keys() for mask in masks)
    lines = (folder / 'work_dirs/mine/masks.json.dropped.jsonl').read_text()
    (dropped,) = map(json.loads, lines.splitlines())
    assert dropped == {'image_id': 5, 'name': '', 'reason': 'no_known_word'}


def test_a_training_set(folder):
    content = json.loads((folder / 'work_dirs/mine/train.json').read_text())
    assert {cat['name'] for cat in content['categories']} == set(WORDS)
    assert {image['file_name'] for image in content['images']} == set(CAPTIONS)
    assert len(content['annotations']) == 8


def test_text_vectors(folder):
    bank = TextEmbeddingBank.load(folder / 'work_dirs/mine/text_embeddings.npz')
    assert bank.names == WORDS
    assert bank.model_id == option(COMMANDS[-1], '--text-encoder')


def test_pictures_of_any_words(folder):
    out = folder / 'work_dirs' / 'image_demo'
    assert (out / '1.png').is_file()
    assert (out / 'room.png').is_file()
    coco = COCO(str(out / 'detections.json'))
    found = [cat['name'] for cat in coco.dataset['categories']]
    assert found == ['dog', 'traffic cone', 'red mug']
    assert len(coco.imgs) == 2
    assert coco.anns
    for ann in coco.anns.values():
        assert coco.annToMask(ann).shape == (96, 128)
