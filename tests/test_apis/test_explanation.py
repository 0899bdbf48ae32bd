"""Why a box: words in captions, activation, choice, pictures, messages."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import MODELS
from vlm_stub import ColorMatcher

from mmdet_ovis.apis.inference import explainer as explainer_module
from mmdet_ovis.apis.inference.explainer import Explainer, build_explainer
from mmdet_ovis.apis.inference.explanation import (
    caption_of,
    draw_image_explanation,
    explain_media,
)
from mmdet_ovis.pseudo_labels.box_choice import BoxChooser
from mmdet_ovis.pseudo_labels.proposals import (
    FileProposals,
    FoundBoxes,
    GridProposals,
    SelectiveSearchProposals,
    save_proposals,
)
from mmdet_ovis.structures.vocabulary import Vocabulary
from mmdet_ovis.utils.image import read_image

ROOT = Path(__file__).resolve().parents[2]
MODELS.register_module(module=ColorMatcher, force=True)


@pytest.fixture
def image():
    """A red and a green square on noise, BGR."""
    rng = np.random.default_rng(0)
    image = rng.normal(120, 8, (96, 128, 3)).clip(0, 255).astype(np.uint8)
    image[16:48, 16:48] = (0, 0, 255)
    image[56:88, 80:112] = (0, 255, 0)
    return image


@pytest.fixture
def explainer():
    return Explainer(ColorMatcher(64, 16), SelectiveSearchProposals())


def iou(a, b):
    left, top = np.maximum(a[:2], b[:2])
    right, bottom = np.minimum(a[2:], b[2:])
    common = max(right - left, 0) * max(bottom - top, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(areas) - common)


def test_words_become_boxes(explainer, image):
    words = Vocabulary.parse('red square. green square. yellow square')
    explanation = explainer(image, *caption_of(words))
    red, green, yellow = explanation.evidence
    assert iou(np.array(red.choice.box), np.array([16, 16, 48, 48])) > 0.7
    assert iou(np.array(green.choice.box), np.array([80, 56, 112, 88])) > 0.7
    assert yellow.activation.flags == ('flat_activation',)
    assert yellow.choice is None


def test_pictures(explainer, image):
    words = Vocabulary.parse('red square. yellow square')
    explanation = explainer(image, *caption_of(words))
    drawn = draw_image_explanation(image[..., ::-1], explanation)
    assert drawn.dtype == np.uint8
    # Four pictures of 320 pixels a row; two rows of 240 below their titles.
    assert drawn.shape[1] == 4 * 320 + 3 * 4
    assert drawn.shape[0] > 2 * 240


def test_captions_from_words():
    captions, phrases = caption_of(Vocabulary.parse("dog. T-shirt. catcher's mitt"))
    assert captions == ['a photo of dog and t shirt and catchers mitt']
    for phrase in phrases[0]:
        assert captions[0][phrase.start : phrase.end] == phrase.text
    assert [phrase.name for phrase in phrases[0]] == [
        'dog',
        'T-shirt',
        "catcher's mitt",
    ]


def test_many_words_take_several_captions():
    names = tuple(f'word{i} of glass' for i in range(20))
    captions, phrases = caption_of(Vocabulary(names))
    assert len(captions) > 1
    assert all(len(caption.split()) <= 30 for caption in captions)
    assert [p.name for wanted in phrases for p in wanted] == list(names)
    for caption, wanted in zip(captions, phrases, strict=True):
        for phrase in wanted:
            assert caption[phrase.start : phrase.end] == phrase.text


def test_a_caption_of_the_user():
    words = Vocabulary(('dog', 'cat'))
    captions, phrases = caption_of(words, 'Two DOGS, on the grass.')
    assert captions == ['two dogs on the grass']
    assert [(p.name, p.text) for p in phrases[0]] == [('dog', 'dogs')]


def test_messages_about_captions():
    with pytest.raises(ValueError, match="'a bird' names none of the words"):
        caption_of(Vocabulary(('dog',)), 'a bird')
    with pytest.raises(ValueError, match='up to 24 words are explained, not 25'):
        caption_of(Vocabulary(tuple(map(str, range(25)))))


# ------------------------------------------------------------------------ building


@pytest.fixture
def config(tmp_path):
    """As a config for generation has it."""
    path = tmp_path / 'generate.py'
    path.write_text(
        "vlm = dict(type='ColorMatcher', image_size=32, grid=8)\n"
        'search = dict(rounds=2)\n'
        "proposals = dict(type='GridProposals', top_k=9)\n"
        "source = dict(preset='compat', proposals=proposals)\n"
    )
    return path


def test_built_from_a_config(config):
    explainer = build_explainer(config, device='cpu')
    assert explainer.model.image_size == (32, 32)
    assert explainer.search.rounds == 2
    assert explainer.chooser == BoxChooser.compat()
    assert isinstance(explainer.provider, GridProposals)
    assert explainer.provider.top_k == 9


def test_where_proposals_come_from(config, tmp_path):
    other = tmp_path / 'other.py'
    other.write_text("proposals = dict(type='SelectiveSearchProposals', top_k=7)\n")
    for choice, kind in (
        ('grid', GridProposals),
        ('selective_search', SelectiveSearchProposals),
        (other, SelectiveSearchProposals),
        (config, GridProposals),
    ):
        explainer = build_explainer(config, choice, device='cpu')
        assert isinstance(explainer.provider, kind)
    plain = tmp_path / 'plain.py'
    plain.write_text("vlm = dict(type='ColorMatcher')\n")
    explainer = build_explainer(plain, device='cpu')
    assert isinstance(explainer.provider, SelectiveSearchProposals)


@pytest.mark.parametrize('vlm', ['{}', 'blip:{}'])
def test_blip_by_name(tmp_path, vlm):
    from mmdet_ovis.apis.benchmarks.gradcam import write_random_blip

    write_random_blip(tmp_path / 'blip', 'tiny')
    explainer = build_explainer(vlm.format(tmp_path / 'blip'), device='cpu')
    assert type(explainer.model).__name__ == 'BlipMatcher'


def test_messages_about_building(config, tmp_path):
    empty = tmp_path / 'empty.py'
    empty.write_text('a = 1\n')
    with pytest.raises(ValueError, match=r'empty\.py has no vlm'):
        build_explainer(empty)
    with pytest.raises(ValueError, match=r'empty\.py has neither proposals.*--pa'):
        build_explainer(config, empty)
    with pytest.raises(
        ValueError, match=r"proposals are grid or selective_search.*'rpn'"
    ):
        build_explainer(config, 'rpn')
    with pytest.raises(ValueError, match='not from both'):
        build_explainer(config, 'grid', tmp_path / 'pa.pth')
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        build_explainer(tmp_path / 'nowhere.py')
    with pytest.raises((OSError, ValueError), match='nowhere'):
        build_explainer(str(tmp_path / 'nowhere'))


def test_proposals_of_a_file_are_of_other_images(config, tmp_path):
    save_proposals(tmp_path / 'p.npz', {1: FoundBoxes(np.ones((1, 4)), np.ones(1))})
    provider = FileProposals(tmp_path / 'p.npz')
    with pytest.raises(ValueError, match=r'p\.npz are of the images of a dataset'):
        Explainer(ColorMatcher(64, 16), provider)

    class Refining(GridProposals):
        """Takes the proposals of another one, as WSPNProposals does."""

        def __init__(self, inner):
            super().__init__()
            self.provider = inner

    with pytest.raises(ValueError, match=r'p\.npz are of the images of a dataset'):
        Explainer(ColorMatcher(64, 16), Refining(provider))
    Explainer(ColorMatcher(64, 16), Refining(GridProposals()))
    other = tmp_path / 'other.py'
    other.write_text(
        f"proposals = dict(type='FileProposals', file={str(tmp_path / 'p.npz')!r})"
    )
    with pytest.raises(ValueError, match=r'take --proposals selective_search or'):
        build_explainer(config, other, device='cpu')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ("vlm = dict(type='Nobody')", r'vlm of .*odd\.py cannot be built: Nobody'),
        ("vlm = 'blip'", r'vlm of .*odd\.py cannot be built'),
        (
            "vlm = dict(type='ColorMatcher')\nsearch = dict(turns=3)",
            r"search of .*odd\.py cannot be built: .*'turns'",
        ),
        (
            "vlm = dict(type='ColorMatcher')\nsource = dict(chooser=3)",
            r'source of .*odd\.py cannot be built',
        ),
        (
            "vlm = dict(type='ColorMatcher')\n"
            "source = dict(proposals=dict(type='GridProposals', topk=1))",
            r"source\.proposals of .*odd\.py cannot be built: .*'topk'",
        ),
    ],
)
def test_configs_that_cannot_be_built(tmp_path, text, message):
    (tmp_path / 'odd.py').write_text(f'{text}\n')
    with pytest.raises(ValueError, match=message):
        build_explainer(tmp_path / 'odd.py', device='cpu')


@pytest.mark.parametrize('given', [None, 'elsewhere/pa.py'])
def test_the_config_of_the_affinity_network(config, tmp_path, monkeypatch, given):
    asked = []

    def listen(config, checkpoint, **options):
        asked.append((str(config), checkpoint))
        return GridProposals()

    monkeypatch.setattr(explainer_module, 'AffinityProposals', listen)
    (tmp_path / 'pa').mkdir()
    (tmp_path / 'pa' / 'beside.py').write_text('')
    checkpoint = tmp_path / 'pa' / 'pa.pth'
    build_explainer(config, pa=checkpoint, pa_config=given, device='cpu')
    assert asked == [(given or str(tmp_path / 'pa' / 'beside.py'), checkpoint)]


# ----------------------------------------------------------------------- the tool


def test_explained_on_the_command_line(config, image, tmp_path, monkeypatch, capfd):
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'a.png'), image)
    (tmp_path / 'in' / 'b.png').write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    tool = str(ROOT / 'tools' / 'image_demo.py')
    command = ['in', '--explain', config, '--texts', 'red square', '--device', 'cpu']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, command), '--out-dir', 'out'])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(tool, run_name='__main__')
    assert stop.value.code == 1
    assert 'in/b.png is not an image' in capfd.readouterr().out
    (picture,) = (tmp_path / 'out').iterdir()
    assert picture.name == 'a_explain.png'
    assert read_image(picture).shape[1] == 4 * 320 + 3 * 4


def test_videos_are_left_out(explainer, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'x')
    with pytest.raises(ValueError, match='no image in'):
        explain_media(explainer, [tmp_path / 'a.mp4'], Vocabulary(('red',)))


def test_case_25_evidence_is_plain(explainer, image):
    """What is shown can be written down."""
    explanation = explainer(image, *caption_of(Vocabulary(('red square',))))
    (evidence,) = explanation.evidence
    assert json.dumps([evidence.choice.box, evidence.activation.p_match])
