"""Teacher and student in a runner: what freezes, what is copied, what is averaged."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import pytest
import torch
from cmpl_case import BASE, CAPTION, HEIGHT, WIDTH, detector_config, make_sample
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from ov_case import write_bank
from torch import nn
from torch.utils.data import Dataset

from mmdet_ovis.apis.running import build_runner
from mmdet_ovis.engine.hooks import NoiseFreezeHook, TeacherEMAHook
from mmdet_ovis.utils.checkpoint import CheckpointError, load_checkpoint

FREEZE_ITER, LAST_ITER = 2, 4
NOISE = ('conv_noise.weight', 'conv_noise.bias')


@DATASETS.register_module(force=True)
class CaptionedNoise(Dataset):
    """Images of noise with a person, and of noise with words."""

    metainfo = dict(classes=BASE, caption_vocabulary=CAPTION)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, HEIGHT, WIDTH), generator=generator)
        sample = make_sample(['dog', 'man']) if index else make_sample(['cat'], None)
        return dict(inputs=image.to(torch.uint8), data_samples=sample)


class Probe(Hook):
    """Keeps what the model was, before the training and after each iteration."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def keep(self, runner) -> None:
        state = runner.model.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})

    def before_train(self, runner) -> None:
        self.keep(runner)

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        self.keep(runner)


@pytest.fixture(scope='module')
def scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def config(tmp_path_factory, scope):
    """The tiny student with text vectors, and a plain checkpoint of it."""
    folder = tmp_path_factory.mktemp('cmpl')
    bank = str(write_bank(folder / 'bank.npz', {*BASE, *CAPTION}))
    detector = detector_config(bbox_head=dict(embeddings=bank))
    torch.manual_seed(3)
    plain = MODELS.build(copy.deepcopy(detector))
    plain.init_weights()
    plain.roi_head.bbox_head.fc_emb.weight.data.normal_(std=0.5)
    torch.save(dict(meta={}, state_dict=plain.state_dict()), folder / 'plain.pth')
    return Config(
        dict(
            default_scope='mmdet',
            runner_type='OVISRunner',
            model=dict(type='CrossModalPseudoLabel', detector=detector),
            load_from=str(folder / 'plain.pth'),
            train_dataloader=dict(
                dataset=dict(type='CaptionedNoise'),
                sampler=dict(type='InfiniteSampler', shuffle=False),
                batch_size=2,
                num_workers=0,
            ),
            train_cfg=dict(by_epoch=False, max_iters=LAST_ITER),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=0.1)
            ),
            custom_hooks=[
                dict(type='VocabularyHook'),
                dict(type='NoiseFreezeHook', freeze_iter=FREEZE_ITER),
            ],
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
            ),
            log_level='WARNING',
            randomness=dict(seed=0),
        )
    )


def run(config, folder, resume=None, **changes):
    """Train; gives the runner and what the model was in between."""
    cfg = copy.deepcopy(config)
    cfg.merge_from_dict(changes)
    runner = build_runner(cfg, 'cmpl.py', str(folder), 'none', resume)
    probe = Probe()
    runner.register_hook(probe)
    runner.train()
    return runner, probe.states


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp('trained'))


def part(state, prefix):
    return {n[len(prefix) :]: v for n, v in state.items() if n.startswith(prefix)}


def noise(state):
    head = part(state, 'student.roi_head.mask_head.')
    return [head[name] for name in NOISE]


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


# ---------------------------------------------------------------- noise


def test_cmpl_case_14_frozen_noise_stays_bit_for_bit(trained):
    """Although momentum and weight decay go on, and everything else learns."""
    _, states = trained
    assert len(states) == 1 + LAST_ITER
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        for old, new in zip(noise(before), noise(after), strict=True):
            assert torch.equal(old, new) == (step >= FREEZE_ITER), step
        logits = 'student.roi_head.mask_head.conv_logits.weight'
        assert not torch.equal(before[logits], after[logits])


def test_without_gradients_the_optimizer_would_move_the_noise(config, tmp_path):
    """So that it does not is what the hook does."""
    _, states = run(
        config, tmp_path, custom_hooks=[dict(type='VocabularyHook')],
        train_cfg=dict(by_epoch=False, max_iters=3),
    )  # fmt: skip
    assert not torch.equal(noise(states[2])[0], noise(states[3])[0])


def test_checkpoints_hold_the_frozen_noise(trained):
    runner, states = trained
    saved = load_checkpoint(f'{runner.work_dir}/iter_{LAST_ITER}.pth')['state_dict']
    for value, expected in zip(noise(saved), noise(states[FREEZE_ITER]), strict=True):
        assert torch.equal(value, expected)


def test_cmpl_case_14_trunk_and_teacher_stay_bit_for_bit(trained):
    _, states = trained
    first, last = states[0], states[-1]
    moved = {n for n in first if not torch.equal(first[n], last[n])}
    assert moved
    assert all(name.startswith('student.roi_head.') for name in moved)
    frozen = part(first, 'student.').keys() - part(first, 'student.roi_head.').keys()
    assert frozen


def test_noise_frozen_from_the_start(config, tmp_path):
    hooks = [dict(type='VocabularyHook'), dict(type='NoiseFreezeHook', freeze_iter=0)]
    _, states = run(
        config, tmp_path, custom_hooks=hooks,
        train_cfg=dict(by_epoch=False, max_iters=2),
    )  # fmt: skip
    for first, last in zip(noise(states[0]), noise(states[-1]), strict=True):
        assert torch.equal(first, last)


def test_freezing_needs_a_noise_that_is_learnt():
    class Runner:
        iter = 0
        model = nn.Linear(1, 1)

    with pytest.raises(
        ValueError, match='finds no conv_noise that is trained in Linear'
    ):
        NoiseFreezeHook().before_train(Runner())
    with pytest.raises(ValueError, match='freeze_iter is not negative, but -1'):
        NoiseFreezeHook(freeze_iter=-1)


# ---------------------------------------------------------------- start and resume


def test_cmpl_case_15_training_starts_from_a_copy_of_the_teacher(trained, config):
    _, states = trained
    plain = load_checkpoint(config.load_from)['state_dict']
    assert same(part(states[0], 'student.'), plain)
    head = part(plain, 'roi_head.')
    assert same(part(states[0], 'teacher.roi_head.'), head)
    assert same(part(states[-1], 'teacher.roi_head.'), head)


def test_training_does_not_start_from_a_model_that_has_nothing_in_common(
    config, tmp_path
):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': {'classifier.weight': torch.zeros(2)}}, path)
    with pytest.raises(CheckpointError, match='has no parameter of the model'):
        run(config, tmp_path, load_from=str(path))


def test_without_a_checkpoint_training_starts_from_a_copy_too(config, tmp_path):
    _, states = run(
        config, tmp_path, load_from=None, train_cfg=dict(by_epoch=False, max_iters=1)
    )
    student = part(states[0], 'student.roi_head.')
    assert same(part(states[0], 'teacher.roi_head.'), student)


@pytest.mark.parametrize('start', [FREEZE_ITER - 1, FREEZE_ITER + 1])
def test_cmpl_case_15_resuming_copies_nothing(config, trained, tmp_path, start):
    """And the noise, if it is frozen, stays."""
    runner, before = trained
    path = f'{runner.work_dir}/iter_{start}.pth'
    resumed, states = run(config, tmp_path, resume=path)
    assert len(states) == 1 + LAST_ITER - start
    assert resumed.iter == LAST_ITER
    assert same(states[0], before[start])
    assert not same(
        part(states[0], 'student.roi_head.'), part(states[0], 'teacher.roi_head.')
    )
    for first, last in zip(noise(states[0]), noise(states[-1]), strict=True):
        assert torch.equal(first, last) == (start >= FREEZE_ITER)


def test_a_teacher_is_no_student_to_resume_from(config, trained, tmp_path):
    """Although a new training starts from it."""
    runner, _ = trained
    checkpoint = torch.load(f'{runner.work_dir}/iter_1.pth', weights_only=False)
    plain = load_checkpoint(config.load_from)['state_dict']
    path = tmp_path / 'teacher.pth'
    torch.save(checkpoint | dict(state_dict=plain), path)
    with pytest.raises(CheckpointError, match='checkpoint of another model'):
        run(config, tmp_path, resume=str(path))


# ---------------------------------------------------------------- vocabularies


def test_both_vocabularies_are_installed(trained):
    runner, _ = trained
    model = runner.model
    head = model.student.roi_head.bbox_head
    assert head.vocabulary == BASE
    assert model.teacher.roi_head.bbox_head.vocabulary == BASE
    assert model.caption_vocabulary.names == CAPTION
    torch.testing.assert_close(
        model.caption_vocabulary.class_vectors, head.text_vectors(CAPTION)
    )
    meta = load_checkpoint(f'{runner.work_dir}/iter_1.pth')['meta']
    assert set(meta['text_space']) == {
        'student.roi_head.bbox_head',
        'teacher.roi_head.bbox_head',
    }


# ---------------------------------------------------------------- moving average


class Part(nn.Module):
    def __init__(self, value, names) -> None:
        super().__init__()
        for name in names:
            layer = nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2))
            nn.init.constant_(layer[0].weight, value)
            layer[1].running_mean.fill_(value)
            layer[1].register_buffer('text', torch.full((1,), value), persistent=False)
            setattr(self, name, layer)


class Pair(nn.Module):
    """The parts of both stand in another order, and the student has more."""

    def __init__(self) -> None:
        super().__init__()
        self.student = Part(8.0, ('trunk', 'head', 'mask'))
        self.teacher = Part(0.0, ('mask', 'head'))
        self.student.mask[0].weight.data.fill_(4.0)


@pytest.mark.parametrize('skip_buffer', [True, False])
def test_the_average_goes_by_name(skip_buffer):
    model = Pair()
    hook = TeacherEMAHook(momentum=0.25, skip_buffer=skip_buffer)
    hook.momentum_update(model, 0.25)
    assert model.teacher.head[0].weight.tolist() == [[2.0], [2.0]]
    assert model.teacher.mask[0].weight.tolist() == [[1.0], [1.0]]
    hook.momentum_update(model, 0.25)
    assert model.teacher.head[0].weight.tolist() == [[3.5], [3.5]]
    assert model.student.head[0].weight.tolist() == [[8.0], [8.0]]
    expected = 0.0 if skip_buffer else 3.5
    assert model.teacher.head[1].running_mean.tolist() == [expected] * 2
    assert model.teacher.head[1].text.item() == 0  # text vectors are nobody's average


def test_the_teacher_follows_and_resuming_copies_nothing(config, trained, tmp_path):
    hooks = [*config.custom_hooks, dict(type='TeacherEMAHook', momentum=0.25)]
    runner, states = run(
        config, tmp_path, custom_hooks=hooks,
        train_cfg=dict(by_epoch=False, max_iters=2),
    )  # fmt: skip
    first, last = states[0], states[1]
    for name, value in part(last, 'teacher.').items():
        if name in dict(runner.model.teacher.named_parameters()):
            expected = 0.75 * first[f'teacher.{name}'] + 0.25 * last[f'student.{name}']
            torch.testing.assert_close(value, expected)
    assert not same(part(first, 'teacher.'), part(last, 'teacher.'))
    path = f'{runner.work_dir}/iter_1.pth'
    _, resumed = run(
        config, tmp_path / 'b', path, custom_hooks=hooks,
        train_cfg=dict(by_epoch=False, max_iters=2),
    )  # fmt: skip
    assert same(resumed[0], last)


@pytest.mark.parametrize('momentum', [0, 1, -0.1])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=r'momentum is in \(0, 1\), not'):
        TeacherEMAHook(momentum=momentum)


def test_the_average_needs_a_teacher():
    class Runner:
        iter = 0
        model = nn.Linear(1, 1)

    with pytest.raises(ValueError, match=r'TeacherEMAHook .* Linear; .*CrossModalPseu'):
        TeacherEMAHook().before_train(Runner())


def test_registered():
    assert HOOKS.get('NoiseFreezeHook') is NoiseFreezeHook
    assert HOOKS.get('TeacherEMAHook') is TeacherEMAHook
