"""docs/ovis.md: recipes fit tools and configs, tables name what there is."""

from __future__ import annotations

import functools
import re
import runpy
import sys
from pathlib import Path

import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from recipes import ROOT, commands, option, read_page, section, without_launcher

from mmdet_ovis.pseudo_labels import crop_segmentation, mask_cleaning
from mmdet_ovis.pseudo_labels.crop_segmentation import CropSegmenter
from mmdet_ovis.pseudo_labels.proposals import ProposalProvider
from mmdet_ovis.pseudo_labels.sources import gradcam
from mmdet_ovis.structures.class_splits import COCO_OV_NOVEL_CLASSES, resolve_split
from mmdet_ovis.vlm import VisionLanguageModel

PAGE = read_page('docs/ovis.md')
OWN = commands(section(PAGE, 'Your own images and words'))
COCO = commands(section(PAGE, 'COCO, 48 base and 17 novel classes'))
WSPN = commands(section(PAGE, 'Which box, which pixels'))
README = commands(section(read_page('README.md'), 'Any words'))
ALL = [c for c in [*commands(PAGE), *README] if c[0] != 'make']

AFFINITY = 'pairwise_affinity/pa_train_ov-base.py'
GENERATE = 'ovis/generate_blip_pa_coco.py'
PSEUDO = 'ovis/ovis_pseudo-only_r50-fpn_90k_ov-coco.py'
BASE = 'ovis/ovis_pseudo-then-base_r50-fpn_150k_ov-coco.py'
BANKS = 'data/text_embeddings'


@functools.cache
def load(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


def calls(recipe: list[list[str]], tool: str) -> list[list[str]]:
    return [c for c in map(without_launcher, recipe) if Path(c[0]).name == tool]


def the(recipe: list[list[str]], tool: str) -> list[str]:
    (command,) = calls(recipe, tool)
    return command


def trained(recipe: list[list[str]]) -> list[str]:
    """Configs in the order of their trainings."""
    return [c[1].removeprefix('configs/') for c in calls(recipe, 'train.py')]


def last_checkpoint(config: str) -> str:
    cfg = load(config).train_cfg
    last = f'iter_{cfg.max_iters}' if 'max_iters' in cfg else f'epoch_{cfg.max_epochs}'
    return f'work_dirs/{Path(config).stem}/{last}.pth'


def parse(tool: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tool read its command line, and do nothing else."""
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    names = runpy.run_path(str(ROOT / tool))
    if 'make_parser' in names:
        parser = names['make_parser']()
        names['check_options'](parser, vars(parser.parse_args()))
    else:
        names['parse_args']()


def ann_file(dataset) -> str:
    return dataset.data_root + dataset.ann_file


# ---------------------------------------------------------------- all commands


def test_there_are_commands():
    assert (len(OWN), len(COCO), len(WSPN), len(README)) == (5, 7, 4, 5)


def test_commands_call_what_is_there():
    words = {word for command in ALL for word in command}
    files = {word for word in words if word.startswith(('tools/', 'configs/'))}
    assert len(files) > 10
    assert {word for word in files if not (ROOT / word).is_file()} == set()


@pytest.mark.parametrize('command', ALL, ids=lambda c: ' '.join(c[1:3]))
def test_tools_take_the_options(command, monkeypatch):
    tool, *arguments = without_launcher(command)
    parse(tool, arguments, monkeypatch)


def test_the_demo_is_a_target_of_make():
    targets = {command[1] for command in commands(PAGE) if command[0] == 'make'}
    assert 'demo-ovis' in targets
    makefile = read_page('Makefile')
    for target in (*targets, 'install-ovis'):
        assert re.search(rf'^{target}:', makefile, re.M)


# ---------------------------------------------------------------- your own images


def test_own_recipe_shows_what_it_has_trained():
    demo = the(OWN, 'image_demo.py')
    (config,) = trained(OWN)
    assert option(demo, '--config') == f'configs/{config}'
    assert option(demo, '--weights') == last_checkpoint(config)


def test_own_recipe_names_the_weights_that_are_downloaded():
    text = section(PAGE, 'Your own images and words')
    (config,) = trained(OWN)
    backbone = load(config).model.backbone
    assert f'`{backbone.init_cfg.checkpoint}`' in text
    generation = the(OWN, 'generate_pseudo_masks.py')[1].removeprefix('configs/')
    assert load(generation).vlm.type == 'BlipMatcher'


# ---------------------------------------------------------------- COCO


def test_proposals_are_of_the_affinity_that_is_trained_first():
    assert trained(COCO) == [AFFINITY, PSEUDO, BASE]
    assert the(COCO, 'generate_pseudo_masks.py')[1] == f'configs/{GENERATE}'
    proposals = load(GENERATE).source.proposals
    assert proposals.checkpoint == last_checkpoint(AFFINITY)
    extraction = load(proposals.config.removeprefix('configs/'))
    assert extraction.model == load(AFFINITY).model


def test_no_mask_of_a_novel_class_is_behind_the_proposals():
    for name in (AFFINITY, AFFINITY.replace('train', 'extract')):
        cfg = load(name)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            split = loader.dataset.train_class
            seen = resolve_split(split, CocoDataset.METAINFO['classes'])
            assert len(seen) == 48
            assert not set(seen) & set(COCO_OV_NOVEL_CLASSES)


def test_text_vectors_are_those_that_the_detectors_read():
    command = the(COCO, 'prepare_text_embeddings.py')
    for name in (PSEUDO, BASE):
        head = load(name).model.roi_head.bbox_head
        assert head.embeddings == option(command, '--out')


def test_words_are_the_same_in_all_steps():
    words = {
        option(the(COCO, 'prepare_text_embeddings.py'), '--vocab'),
        option(the(COCO, 'prepare_coco_dataset.py'), '--vocabulary'),
        load(GENERATE).vocabulary,
    }
    assert words == {'coco65'}


def test_masks_become_the_training_set():
    prepare = the(COCO, 'prepare_coco_dataset.py')
    masks = option(the(COCO, 'generate_pseudo_masks.py'), '--out')
    assert option(prepare, '--inputs') == masks
    dataset = load(PSEUDO).train_dataloader.dataset
    assert option(prepare, '--out') == ann_file(dataset)
    assert load(GENERATE).captions.img_dir + '/' == (
        dataset.data_root + dataset.data_prefix.img
    )
    assert option(prepare, '--ref') == ann_file(load(BASE).train_dataloader.dataset)


def test_the_second_training_goes_on_from_the_first():
    assert load(BASE).load_from == last_checkpoint(PSEUDO)


def test_the_last_checkpoint_is_tested():
    tested = the(COCO, 'test.py')
    assert tested[1:] == [f'configs/{BASE}', last_checkpoint(BASE)]


def test_captions_are_among_the_data_that_are_described():
    name = Path(load(GENERATE).captions.ann_file).name
    assert name in read_page('docs/data.md')
    assert name in read_page('data/README.md')


# ---------------------------------------------------------------- proposal network


def test_the_proposal_network_reads_what_is_extracted():
    (config,) = trained(WSPN)
    cfg = load(config)
    extractions = calls(WSPN, 'extract_proposals.py')
    for loader, command in zip(
        (cfg.train_dataloader, cfg.val_dataloader), extractions, strict=True
    ):
        dataset = loader.dataset
        assert command[1] == ann_file(dataset)
        images = dataset.data_root + dataset.data_prefix.img
        assert option(command, '--images') + '/' == images
        assert option(command, '--out') == dataset.data_root + dataset.proposal_file


def test_the_proposal_network_is_used_as_it_was_trained():
    (config,) = trained(WSPN)
    generation = the(WSPN, 'generate_pseudo_masks.py')[1].removeprefix('configs/')
    proposals = load(generation).source.proposals
    assert proposals.config == f'configs/{config}'
    assert proposals.checkpoint == last_checkpoint(config)
    for command in calls(WSPN, 'extract_proposals.py'):
        for key in ('top_k', 'nms_iou'):
            assert f'{key}={proposals.inputs[key]}' in command


# ---------------------------------------------------------------- tables


def table(first_title: str) -> dict[str, str]:
    """Second cell by name in the first one; a cell may have several names."""
    lines = PAGE[PAGE.index(f'| {first_title} |') :].splitlines()[2:]
    found = {}
    for line in lines[: lines.index('')]:
        names, text = line.strip('| ').split(' | ', 1)
        for name in re.findall(r'`([\w-]+)`', names):
            assert name not in found
            found[name] = text
    return found


def registered(registry, base: type) -> set[str]:
    """Ours; tests may have registered others."""
    return {
        name
        for name, kind in registry.module_dict.items()
        if isinstance(kind, type)
        and issubclass(kind, base)
        and kind.__module__.startswith('mmdet_ovis.')
    }


@pytest.mark.parametrize(
    ('title', 'registry', 'base'),
    [
        ('`vlm.type`', MODELS, VisionLanguageModel),
        ('`source.proposals.type`', TASK_UTILS, ProposalProvider),
        ('`source.segmenter.type`', TASK_UTILS, CropSegmenter),
    ],
)
def test_tables_have_all_that_is_registered(title, registry, base):
    assert set(table(title)) == registered(registry, base)


def test_reasons_are_those_of_the_code():
    known = {
        gradcam.NO_WORD, gradcam.FLAT, gradcam.NO_PROPOSAL, gradcam.LOW_CONFIDENCE,
        gradcam.DUPLICATE, crop_segmentation.base.SMALL_CROP,
        mask_cleaning.EMPTY_MASK, mask_cleaning.AREA_RATIO,
    }  # fmt: skip
    reasons = table('reason')
    assert set(reasons) == known
    usual = gradcam.PRESETS['default']
    assert f'({usual.min_box_conf})' in reasons[gradcam.LOW_CONFIDENCE]
    assert reasons[gradcam.DUPLICATE].rstrip(' |').endswith(f'{usual.nms_iou}')


def test_the_weights_of_blip_are_those_of_the_configs():
    assert f'`{load(GENERATE).vlm.checkpoint}`' in table('`vlm.type`')['BlipMatcher']


def test_the_page_explains_the_name_of_every_config():
    kinds = table('config `ovis_...`')
    text = section(PAGE, 'COCO, 48 base and 17 novel classes')
    names = [path.stem for path in (ROOT / 'configs' / 'ovis').glob('ovis_*.py')]
    parts = set()
    for name in names:
        kind, network, suffix = re.fullmatch(
            r'ovis_([a-z-]+)(_[a-z0-9-]+_)\d+k_ov-coco(.*)', name
        ).groups()
        assert kind in kinds
        parts |= {network, suffix} - {''}
    assert set(kinds) == {re.match(r'ovis_([a-z-]+)_', n)[1] for n in names}
    named = re.findall(r'`([_-][a-z0-9-]+)`|`(_[a-z0-9-]+_)`', text)
    assert parts == {name for pair in named for name in pair if name}


def test_all_banks_of_text_vectors_are_explained():
    text = section(PAGE, 'COCO, 48 base and 17 novel classes')
    for path in (ROOT / 'configs' / 'ovis').glob('ovis_*.py'):
        bank = load(f'ovis/{path.name}').model.roi_head.bbox_head.embeddings
        of_other_data = re.search(r'ov-coco-([a-z0-9-]+)$', path.stem)
        if of_other_data:
            assert bank == f'{BANKS}/{of_other_data[1]}_clip-vit-b-32.npz'
        else:
            assert Path(bank).name in text


def test_files_that_the_text_names_exist():
    text = re.sub(r'```.*?```', '', PAGE, flags=re.S)
    names = set(re.findall(r'[\w./-]+\.py\b', text))
    assert len(names) > 5
    for name in names:
        found = [
            path
            for folder in ('tools', 'configs', 'mmdet_ovis')
            for path in (ROOT / folder).rglob(Path(name).name)
            if path.as_posix().endswith(f'/{name}')
        ]
        assert len(found) == 1, name


DETECT = 'IMAGE --config C --weights W --texts dog'


@pytest.mark.parametrize(
    ('tool', 'named', 'others'),
    [
        ('image_demo.py', 'IMAGE --explain MODEL', '--texts dog'),
        ('image_demo.py', '--score-thr auto', DETECT),
        ('image_demo.py', '--score-mode sigmoid', DETECT),
        ('ovis/prepare_text_embeddings.py', '--norm none', '--vocab voc --out F'),
        ('ovis/prepare_text_embeddings.py', '--coco-json FILE', '--out F'),
    ],
)
def test_tools_take_the_options_that_the_text_names(tool, named, others, monkeypatch):
    assert named in PAGE
    parse(f'tools/{tool}', [*named.split(), *others.split()], monkeypatch)
