"""The commands of the open-vocabulary demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .commands import (
    config_path,
    data_options,
    last_checkpoint,
    make_stage,
    train_stage,
)
from .stages import Stage

BASE, NOVEL = 'openshapes_seen', 'openshapes_unseen'
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
class OvisDemoOptions:
    """Sizes of the demo.

    Attributes:
        work_dir (Path): Checkpoints, masks, metrics, pictures.
        data_root (Path): OpenShapes; made if it is not there.
        seed (int): Of all trainings; the data are the same for every seed.
        num_train (int): Training images.
        num_val (int): Test images.
        size (int): Side of the images in pixels.
        num_pictures (int): Images that are drawn.
    """

    work_dir: Path = Path('work_dirs/demo-ovis')
    data_root: Path = Path('data/openshapes_ovis')
    seed: int = 0
    num_train: int = 800
    num_val: int = 200
    size: int = 256
    num_pictures: int = 6

    @property
    def truth(self) -> Path:
        """Objects of the training images; the chain needs names and base shapes."""
        return self.data_root / 'annotations' / 'instances_train.json'

    @property
    def captions(self) -> Path:
        """Captions of the training images."""
        return self.data_root / 'annotations' / 'captions_train.json'

    @property
    def bank(self) -> Path:
        """Text vectors of the shapes."""
        return self.work_dir / 'text_embeddings.npz'

    @property
    def word_pieces(self) -> Path:
        """Vocabulary of the image-text model."""
        return self.work_dir / 'word_pieces.txt'

    @property
    def masks(self) -> Path:
        """Pseudo masks as they are generated."""
        return self.work_dir / 'masks' / 'masks.json'

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
        make_stage(
            'data',
            'make OpenShapes',
            'tools/dataset_converters/make_openshapes.py',
            *('--out', options.data_root, '--num-train', options.num_train),
            *('--num-val', options.num_val, '--size', options.size),
            # Small networks learn colours in minutes, and shapes in hours.
            *('--color-bias', 1),
        ),
        (
            make_stage(
                'word_pieces',
                'list the words of the captions',
                'tools/ovis/make_word_pieces.py',
                *(options.captions, '--vocab', options.truth),
                *('--out', options.word_pieces),
            ),
            make_stage(
                'text_embeddings',
                'give each word a vector',
                'tools/ovis/prepare_text_embeddings.py',
                *('--vocab', options.truth, '--encoder', 'hash', '--model', 128),
                *('--out', options.bank),
            ),
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
            make_stage(
                'prepare',
                'make a training set of them',
                'tools/ovis/prepare_coco_dataset.py',
                *('--inputs', options.masks, '--ref', options.truth),
                *('--vocabulary', options.truth, '--base', BASE, '--novel', NOVEL),
                *('--out', options.pseudo_file),
            ),
            make_stage(
                'words',
                'measure how well the words are found',
                'tools/analysis_tools/eval_words.py',
                config_path('ovis_generate'),
                *('--gt', options.truth, '--masks', options.masks, '--limit', 200),
                *('--out', options.work_dir / 'words.json'),
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
        # The next stage tests.
        *('val_dataloader=None', 'val_evaluator=None', 'val_cfg=None'),
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
    config, folder = f'ov_{name}', options.work_dir / name
    return make_stage(
        f'test_{name}',
        f'test: {VARIANTS[name]}',
        'tools/test.py',
        *(config_path(config), last_checkpoint(folder, config)),
        *('--work-dir', folder / 'test', '--out', folder / 'detections'),
        *('--metrics-out', folder / 'metrics.json'),
        '--cfg-options',
        *data_options(options.data_root, 'test'),
        f'model.roi_head.bbox_head.embeddings={options.bank}',
        f'test_evaluator.ann_file={options.data_root}/annotations/instances_val.json',
        config=config,
    )
