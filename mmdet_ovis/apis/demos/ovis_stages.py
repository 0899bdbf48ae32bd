"""The commands of the open-vocabulary demo."""

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
        'base-only': 'base only',
        'pseudo-only': 'pseudo only',
        'pseudo-then-base': 'pseudo, then base',
        'base-plus-novel-pseudo': 'base + novel pseudo',
    }
)
"""Titles by variant; the config of a variant is ``ov_<variant>.py``."""


@dataclass(frozen=True)
class OvisDemoOptions(WordDemoOptions):
    """Sizes of the demo, and where its files are."""

    work_dir: Path = Path('work_dirs/demo-ovis')

    @property
    def word_pieces(self) -> Path:
        """Vocabulary of the image-text model."""
        return self.work_dir / 'word_pieces.txt'

    @property
    def words_file(self) -> Path:
        """How well words are found."""
        return self.work_dir / 'words.json'

    @property
    def pseudo_file(self) -> Path:
        """Pseudo masks as a training set."""
        return self.work_dir / 'ovis_pseudo_train.json'

    @property
    def generation_options(self) -> list[str]:
        """What the generation config has to be told."""
        matcher = last_checkpoint(self.work_dir / 'image_text', 'image_text')
        return [
            f'vlm.vocab={self.word_pieces}',
            f'vlm.checkpoint={matcher}',
            f'vocabulary={self.truth}',
            f'captions.ann_file={self.captions}',
            f'captions.img_dir={self.data_root}/train',
            f'source.proposals.config={config_path("pa_extract")}',
            'source.proposals.checkpoint='
            f'{last_checkpoint(self.work_dir / "pa", "pa_train")}',
        ]


def ovis_demo_stages(options: OvisDemoOptions) -> list[Stage | tuple[Stage, ...]]:
    """List the commands of the demo, each one a user could type."""
    names = list(VARIANTS)
    stages = [*_data_stages(options), *_network_stages(options), *_mask_stages(options)]
    for pair in (names[:2], names[2:]):
        stages.append(tuple(_train_variant(options, name) for name in pair))
        stages.append(tuple(_test_variant(options, name) for name in pair))
    return stages


def _data_stages(options: OvisDemoOptions) -> list[Stage | tuple[Stage, ...]]:
    return [
        data_stage(options),
        (
            make_stage(
                'word_pieces',
                'list the words of the captions',
                'tools/ovis/make_word_pieces.py',
                *(options.captions, '--vocab', options.truth),
                *('--out', options.word_pieces),
            ),
            bank_stage(options),
        ),
    ]


def _network_stages(options: OvisDemoOptions) -> list[tuple[Stage, ...]]:
    dataset = 'train_dataloader.dataset'
    return [
        (
            train_stage(
                'image_text',
                'train the image-text model on captions',
                'image_text',
                options.work_dir / 'image_text',
                options.seed,
                f'model.vocab={options.word_pieces}',
                f'model.words={options.truth}',
                f'{dataset}.data_root={options.data_root}',
                f'{dataset}.vocabulary={options.truth}',
                f'{dataset}.pipeline.2.vocabulary={options.truth}',
                f'{dataset}.pipeline.2.ann_file={options.captions}',
            ),
            train_stage(
                'pa',
                'train pairwise affinity on the base shapes',
                'pa_train',
                options.work_dir / 'pa',
                options.seed,
                *data_options(options.data_root, 'train', 'val'),
            ),
        )
    ]


def _mask_stages(options: OvisDemoOptions) -> list[Stage | tuple[Stage, ...]]:
    return [
        make_stage(
            'generate',
            'generate pseudo masks of the words of captions',
            'tools/ovis/generate_pseudo_masks.py',
            *(config_path('ovis_generate'), '--out', options.masks, '--workers', 2),
            *('--cfg-options', *options.generation_options),
            config='ovis_generate',
            output=options.masks.parent,
        ),
        (
            prepare_stage(options, options.masks, options.pseudo_file),
            make_stage(
                'words',
                'measure how well the words are found',
                'tools/analysis_tools/eval_words.py',
                config_path('ovis_generate'),
                *('--gt', options.truth, '--masks', options.masks, '--limit', 200),
                *('--out', options.words_file),
                *('--cfg-options', *options.generation_options),
                config='ovis_generate',
            ),
        ),
    ]


def _train_variant(options: OvisDemoOptions, name: str) -> Stage:
    pseudo = options.pseudo_file.resolve()
    affinity = last_checkpoint(options.work_dir / 'pa', 'pa_train')
    settings = [
        *data_options(options.data_root, 'train'),
        f'model.roi_head.bbox_head.embeddings={options.bank}',
        *NO_VALIDATION,
    ]
    if name == 'pseudo-only':
        settings.append(f'train_dataloader.dataset.ann_file={pseudo}')
    if name == 'base-plus-novel-pseudo':
        settings.append(f'train_dataloader.dataset.additional_ann_file={pseudo}')
    if name == 'pseudo-then-base':
        before = last_checkpoint(options.work_dir / 'pseudo-only', 'ov_pseudo-only')
        settings.append(f'load_from={before}')
    else:
        settings.append(f'model.backbone.init_cfg.checkpoint={affinity}')
    return train_stage(
        name,
        f'train: {VARIANTS[name]}',
        f'ov_{name}',
        options.work_dir / name,
        options.seed,
        *settings,
    )


def _test_variant(options: OvisDemoOptions, name: str) -> Stage:
    config = f'ov_{name}'
    return test_stage(
        options,
        name,
        VARIANTS[name],
        config,
        last_checkpoint(options.work_dir / name, config),
        f'model.roi_head.bbox_head.embeddings={options.bank}',
    )
