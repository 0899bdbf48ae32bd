"""The commands of the demo of cross-modal pseudo labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .commands import (
    NO_VALIDATION,
    config_path,
    data_options,
    last_checkpoint,
    make_stage,
    train_stage,
)
from .stages import Stage
from .words import (
    WordDemoOptions,
    bank_stage,
    data_stage,
    prepare_stage,
    test_stage,
)

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        'teacher': 'teacher',
        'student': 'student',
        'student-parity': 'student as published',
        'offline': 'student of files',
    }
)
"""Titles by variant; the config of a variant is ``cmpl_<variant>.py``."""


@dataclass(frozen=True)
class CmplDemoOptions(WordDemoOptions):
    """Sizes of the demo, and where its files are."""

    work_dir: Path = Path('work_dirs/demo-cmpl')

    @property
    def words(self) -> Path:
        """Words of the captions."""
        return self.work_dir / 'caption_words.json'

    @property
    def parity_words(self) -> Path:
        """The same by the published rules."""
        return self.work_dir / 'caption_words_parity.json'

    @property
    def pseudo_file(self) -> Path:
        """Pseudo masks as a training set."""
        return self.work_dir / 'cmpl_pseudo_train.json'

    def checkpoint(self, name: str) -> Path:
        """Weights that a training ends with."""
        return last_checkpoint(self.work_dir / name, f'cmpl_{name}')


def cmpl_demo_stages(options: CmplDemoOptions) -> list[Stage | tuple[Stage, ...]]:
    """List the commands of the demo, each one a user could type."""
    students = [name for name in VARIANTS if name != 'teacher']
    return [
        data_stage(options),
        (
            bank_stage(options),
            _parse(options, 'parse', options.words),
            _parse(options, 'parse-parity', options.parity_words, '--mode', 'parity'),
        ),
        train_stage(
            'pretrain',
            'learn words from captions alone',
            'cmpl_pretrain',
            options.work_dir / 'pretrain',
            options.seed,
            *data_options(options.data_root, 'train'),
            f'model.tokens.embeddings={options.bank}',
        ),
        _train(options, 'teacher', 'pretrain'),
        (_extract(options), _test(options, 'teacher')),
        prepare_stage(options, options.masks, options.pseudo_file),
        tuple(_train(options, name) for name in students),
        tuple(_test(options, name) for name in students),
    ]


def _parse(options: CmplDemoOptions, name: str, out: Path, *arguments: object) -> Stage:
    return make_stage(
        name,
        'find the words of the captions',
        'tools/cmpl/parse_captions.py',
        *(options.captions, '--vocab', options.truth, '--out', out, *arguments),
    )


def _bank(options: CmplDemoOptions, name: str) -> str:
    detector = 'model.detector' if name.startswith('student') else 'model'
    return f'{detector}.roi_head.bbox_head.embeddings={options.bank}'


def _train(options: CmplDemoOptions, name: str, start: str = 'teacher') -> Stage:
    dataset = 'train_dataloader.dataset'
    settings = [
        *data_options(options.data_root, 'train'),
        _bank(options, name),
        f'load_from={options.checkpoint(start)}',
        *NO_VALIDATION,
    ]
    if name == 'student':
        settings.append(f'{dataset}.words_file={options.words.resolve()}')
    if name == 'student-parity':
        settings.append(f'{dataset}.words_file={options.parity_words.resolve()}')
    if name == 'offline':
        settings.append(
            f'{dataset}.additional_ann_file={options.pseudo_file.resolve()}'
        )
    return train_stage(
        name,
        f'train: {VARIANTS[name]}',
        f'cmpl_{name}',
        options.work_dir / name,
        options.seed,
        *settings,
    )


def _extract(options: CmplDemoOptions) -> Stage:
    return make_stage(
        'extract',
        'keep what the teacher makes of the words',
        'tools/cmpl/extract_pseudo_masks.py',
        *(config_path('cmpl_extract'), options.checkpoint('teacher')),
        *('--out', options.masks, '--cfg-options'),
        *data_options(options.data_root, 'test'),
        f'test_dataloader.dataset.words_file={options.words.resolve()}',
        _bank(options, 'student'),
        config='cmpl_extract',
        output=options.masks.parent,
    )


def _test(options: CmplDemoOptions, name: str) -> Stage:
    return test_stage(
        options,
        name,
        VARIANTS[name],
        f'cmpl_{name}',
        options.checkpoint(name),
        _bank(options, name),
    )
