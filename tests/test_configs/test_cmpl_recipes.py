"""The recipes of docs/cmpl.md, and the configs they train."""

from __future__ import annotations

import re
import runpy
import sys

import pytest
from mmengine.config import Config
from recipes import ROOT, commands, option, read_page, section, without_launcher

PAGE = read_page('docs/cmpl.md')
ALL = [c for c in commands(PAGE) if c[0] != 'make' and 'demo_cmpl' not in c[1]]
COCO = commands(section(PAGE, 'COCO, 48 base and 17 novel classes'))
PUBLISHED = commands(section(PAGE, 'As published'))
DATA = commands(read_page('docs/data.md'))
PRETRAIN = 'ovr_pretrain_r50-c4_40k_coco-captions'
TEACHER = 'cmpl_teacher_r50-c4_90k_ov-coco'
STUDENT = 'cmpl_student_r50-c4_70k_ov-coco'
PARITY = {
    name: f'cmpl_{name}-parity_r50-c4_{schedule}_ov-coco'
    for name, schedule in (('teacher', '90k'), ('student', '70k'))
}
TRAINED = sorted(
    path.stem
    for path in (ROOT / 'configs/cmpl').glob('*.py')
    if 'extract' not in path.stem
)


def load(name) -> Config:
    return Config.fromfile(ROOT / 'configs/cmpl' / f'{name}.py')


def last_checkpoint(name) -> str:
    return f'work_dirs/{name}/iter_{load(name).train_cfg.max_iters}.pth'


def dataset_of(name):
    return load(name).train_dataloader.dataset


def test_commands_call_what_is_there():
    words = {word for command in ALL for word in command}
    files = {word for word in words if word.startswith(('tools/', 'configs/'))}
    assert len(files) > 8
    assert {word for word in files if not (ROOT / word).is_file()} == set()


@pytest.mark.parametrize('command', [*COCO, *PUBLISHED], ids=lambda c: ' '.join(c[1:3]))
def test_tools_take_the_options(command, monkeypatch):
    tool, *arguments = without_launcher(command)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    runpy.run_path(str(ROOT / tool))['parse_args']()


def test_the_demo_is_a_target_of_make():
    # Hashes as text vectors, the simple parser: nothing of it needs transformers.
    assert re.search(r'^demo-cmpl: install ##', read_page('Makefile'), re.M)
    assert 'make demo-cmpl' in PAGE


def test_each_training_goes_on_from_the_one_before():
    trained = [c[2] for c in COCO if 'dist_train' in c[1]]
    assert trained == [f'configs/cmpl/{n}.py' for n in (PRETRAIN, TEACHER, STUDENT)]
    assert load(TEACHER).load_from == last_checkpoint(PRETRAIN)
    assert load(STUDENT).load_from == last_checkpoint(TEACHER)
    (test,) = (c for c in COCO if 'dist_test' in c[1])
    assert test[2:4] == [f'configs/cmpl/{STUDENT}.py', last_checkpoint(STUDENT)]


@pytest.mark.parametrize(
    ('name', 'start'),
    [
        ('cmpl_teacher-parity_r50-c4_90k_ov-coco', PRETRAIN),
        (
            'cmpl_student-parity_r50-c4_70k_ov-coco',
            'cmpl_teacher-parity_r50-c4_90k_ov-coco',
        ),
        ('cmpl_student-ema_r50-c4_70k_ov-coco', TEACHER),
    ],
)
def test_variants_go_on_from_a_teacher(name, start):
    assert load(name).load_from == last_checkpoint(start)


def test_text_vectors_are_those_that_are_read():
    banks = {option(c, '--out') for c in COCO if 'prepare_text_embeddings' in c[1]}
    head = load(TEACHER).model.roi_head.bbox_head
    assert banks == {head.embeddings}
    assert load(STUDENT).model.detector.roi_head.bbox_head.embeddings == head.embeddings
    assert (head.embed_dim, head.normalize_text, head.freeze_emb) == (768, True, True)


def test_words_are_those_that_are_read():
    (parse,) = (c for c in COCO if 'parse_captions' in c[1])
    dataset = dataset_of(STUDENT)
    assert option(parse, '--out') == dataset.data_root + dataset.words_file
    (embed,) = (c for c in COCO if '--words' in c)
    assert option(embed, '--words') == option(parse, '--out')


def values_of(cfg, key) -> set[str]:
    """What stands under a key anywhere in a config; paths with their ``data_root``."""
    if isinstance(cfg, list | tuple):
        return set().union(*(values_of(part, key) for part in cfg))
    if not isinstance(cfg, dict):
        return set()
    found = set().union(*(values_of(part, key) for part in cfg.values()))
    if isinstance(cfg.get(key), str):
        found.add(cfg.get('data_root', '') + cfg[key])
    return found


@pytest.mark.parametrize('path', sorted((ROOT / 'configs/cmpl').glob('cmpl_*.py')))
def test_words_and_vectors_of_every_config_are_made_by_a_command(path):
    cfg = Config.fromfile(path)
    made = [c for c in [*COCO, *PUBLISHED, *DATA] if '--out' in c]
    (bank,) = values_of(cfg.model, 'embeddings')
    assert bank in {option(c, '--out') for c in made if '--vocab' in c}
    words = values_of(cfg.train_dataloader, 'words_file')
    assert words <= {option(c, '--out') for c in made if 'parse_captions' in c[1]}
    for file in words:
        embedded = {option(c, '--out') for c in made if '--words' in c and file in c}
        assert bank in embedded
    parity = cfg.model.get('semi_train_cfg', {}).get('align_with') == 'word'
    modes = {
        option(c, '--mode') if '--mode' in c else 'fixed'
        for c in made
        if option(c, '--out') in words
    }
    assert modes == ({'parity' if parity else 'fixed'} if words else set())


def test_student_and_teacher_have_the_same_network_and_text():
    teacher, detector = load(TEACHER).model, load(STUDENT).model.detector
    ours, theirs = dict(detector.roi_head.bbox_head), dict(teacher.roi_head.bbox_head)
    assert theirs.pop('freeze_emb')
    assert ours == theirs
    for part in ('backbone', 'rpn_head', 'data_preprocessor', 'test_cfg'):
        assert detector[part] == teacher[part]
    assert detector.backbone.frozen_stages == 1
    assert detector.data_preprocessor.mean == [102.9801, 115.9465, 122.7717]


def contains(cfg, part) -> bool:
    """Whether a config has all of a part of one."""
    if not isinstance(part, dict):
        return cfg == part
    return all(key in cfg and contains(cfg[key], part[key]) for key in part)


@pytest.mark.parametrize(
    'path', [f'cmpl/{PARITY["student"]}.py', 'openshapes/cmpl_student-parity.py']
)
def test_published_students_are_published_in_everything(path):
    published = Config.fromfile(ROOT / 'configs/_base_/models/cmpl_parity.py')
    model = Config.fromfile(ROOT / 'configs' / path).model
    assert contains(model.detector.roi_head, published.parity_roi_head)
    assert contains(model.semi_train_cfg, published.parity_semi_train_cfg)
    assigner = model.detector.roi_head.pseudo_train_cfg.assigner
    assert (assigner.type, assigner.ignore_iof_thr) == ('MaxIoUAssigner', -1)


def test_the_published_student():
    model = load(PARITY['student']).model
    head = model.detector.roi_head
    assert head.alignment.choice == 'argmax'
    assert head.alignment.mask_box == 'refined'
    assert (head.pseudo_targets, head.pseudo_background) == ('any', 'first_class')
    assert (head.mask_head.mode, head.mask_head.num_samples) == ('mean_bce', 1)
    assert head.mask_head.sigma_range is None
    assert head.pseudo_train_cfg.sampler.num == 512
    assert model.detector.train_cfg.rcnn.sampler.num == 512
    assert model.semi_train_cfg.weighting == dict(
        mode='inv_sigma', value=0.01, max_weight=None
    )
    assert not model.semi_train_cfg.drop_labelled_words
    assert model.semi_train_cfg.align_with == 'word'
    assert not model.teacher.roi_head.bbox_head.normalize_text
    assert head.bbox_head.normalize_text
    assert 'parity' in dataset_of(PARITY['student']).words_file


@pytest.mark.parametrize(
    ('name', 'crowd', 'threshold'),
    [
        (TEACHER, 'ignore', 0.5),
        (STUDENT, 'ignore', 0.5),
        ('cmpl_offline_r50-c4_70k_ov-coco', 'ignore', 0.5),
        (PARITY['teacher'], 'drop', -1),
        (PARITY['student'], 'drop', -1),
    ],
)
def test_crowds_are_ignored_but_where_they_were_background(name, crowd, threshold):
    model = load(name).model
    cfg = model.get('detector', model).train_cfg
    assert dataset_of(name).get('crowd', 'ignore') == crowd
    assert cfg.rpn.assigner.ignore_iof_thr == threshold
    assert cfg.rcnn.assigner.ignore_iof_thr == threshold


@pytest.mark.parametrize('name', TRAINED)
def test_a_step_is_as_many_images_as_the_rate_is_made_for(name):
    """On 8 GPUs."""
    cfg = load(name)
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size


def test_masks_of_one_dataset_and_words_of_another():
    student = load('cmpl_student_r50-c4_70k_oi-cc')
    teacher = load('cmpl_teacher_r50-c4_90k_ov-openimages')
    masks, words = student.train_dataloader.dataset.datasets
    assert words.type == 'ConceptualCaptionsDataset'
    alone = teacher.train_dataloader.dataset
    assert (
        alone.dataset.ann_file
        == masks.dataset.ann_file
        == words.class_file.replace(masks.dataset.data_root, '')
    )
    sampler = student.train_dataloader.sampler
    assert sampler.source_ratio == [1, 1]
    assert sampler.batch_size == student.train_dataloader.batch_size
    assert student.load_from == last_checkpoint('cmpl_teacher_r50-c4_90k_ov-openimages')
    bank = student.model.detector.roi_head.bbox_head.embeddings
    assert bank == teacher.model.roi_head.bbox_head.embeddings


def test_the_page_explains_the_name_of_every_config():
    table = section(PAGE, 'COCO, 48 base and 17 novel classes')
    names = set(re.findall(r'`([a-z-]+)`', table))
    for path in (ROOT / 'configs/cmpl').glob('cmpl_*.py'):
        variant = path.stem.split('_')[1]
        assert variant in names or path.stem.endswith(('oi-cc', 'openimages')), path


def test_links_on_the_page_lead_somewhere():
    titles = re.findall(r'^## (.*)$', PAGE, re.M)
    anchors = {re.sub(r'[^a-z0-9 -]', '', t.lower()).replace(' ', '-') for t in titles}
    links = set(re.findall(r'\]\(#([a-z-]+)\)', PAGE))
    assert links
    assert links <= anchors
