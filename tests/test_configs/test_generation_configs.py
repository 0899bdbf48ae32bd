"""Every config for generation builds, with tiny networks in place of the real ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from vlm_stub import ColorMatcher

from mmdet_ovis.apis.generation.setup import build_generation, load_generation_config
from mmdet_ovis.pseudo_labels.box_choice import BoxChooser
from mmdet_ovis.pseudo_labels.mask_cleaning import MaskCleaning
from mmdet_ovis.vlm import IterativeMasking

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path.relative_to(ROOT / 'configs').as_posix()
    for path in (ROOT / 'configs').glob('*/*generate*.py')
)
GRID = dict(type='GridProposals')


@pytest.fixture
def captions(tmp_path):
    entries = [{'image': '1.jpg', 'caption': 'A dog on a red disc, and a cat.'}]
    (tmp_path / 'captions.json').write_text(json.dumps(entries))
    return tmp_path


def build(name, folder, words):
    MODELS.register_module(module=ColorMatcher, force=True)
    cfg = load_generation_config(ROOT / 'configs' / name)
    real = copy.deepcopy(cfg)
    cfg.vlm = dict(type='ColorMatcher')
    cfg.source.proposals = GRID
    cfg.captions.update(ann_file=str(folder / 'captions.json'), img_dir=str(folder))
    cfg.vocabulary = words
    return real, build_generation(cfg)


@pytest.mark.parametrize('name', CONFIGS)
def test_builds_and_finds_words(name, captions):
    real, parts = build(name, captions, ['dog', 'cat', 'disc'])
    assert real.vlm.type in MODELS
    (query,) = parts.reader.queries(parts.reader.images[0].captions)
    assert {phrase.name for phrase in query.phrases} == {'dog', 'cat', 'disc'}


def test_compat_is_what_the_original_does(captions):
    _, parts = build('ovis/generate_albef_compat_coco.py', captions, ['hot dog', 'dog'])
    assert parts.search == IterativeMasking.compat(batch_size=16)
    assert parts.source.chooser == BoxChooser.compat()
    assert parts.source.cleaning == MaskCleaning.compat()
    assert parts.source.min_box_conf is None
    assert parts.source.nms_iou is None
    found = parts.reader.queries(['A hot dog.'])[0].phrases
    assert [phrase.name for phrase in found] == ['hot dog', 'dog']


@pytest.mark.parametrize('name', CONFIGS)
def test_proposals_are_those_of_the_name(name):
    cfg = Config.fromfile(ROOT / 'configs' / name)
    expected = {
        'pa': 'AffinityProposals',
        'ss': 'SelectiveSearchProposals',
        'wspn': 'WSPNProposals',
        'compat': 'UpstreamPickleProposals',
    }
    for part, kind in expected.items():
        if f'_{part}_' in name:
            assert cfg.source.proposals.type == kind
