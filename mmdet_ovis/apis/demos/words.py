"""What demos share whose detectors know objects by words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .commands import (
    SEEN,
    UNSEEN,
    config_path,
    data_options,
    make_stage,
    openshapes_stage,
)
from .stages import Stage


@dataclass(frozen=True)
class WordDemoOptions:
    """Sizes of a demo.

    Attributes:
        work_dir (Path): Checkpoints, masks, metrics, pictures.
        data_root (Path): OpenShapes; made if it is not there.
        seed (int): Of all trainings; the data are the same for every seed.
        num_train (int): Training images.
        num_val (int): Test images.
        size (int): Side of the images in pixels.
        num_pictures (int): Images that are drawn.
    """

    work_dir: Path = Path('work_dirs/demo-words')
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
    def masks(self) -> Path:
        """Pseudo masks of the words of captions."""
        return self.work_dir / 'masks' / 'masks.json'

    @property
    def bank(self) -> Path:
        """Text vectors of the shapes."""
        return self.work_dir / 'text_embeddings.npz'


def data_stage(options: WordDemoOptions) -> Stage:
    """Make the images."""
    return openshapes_stage(
        options.data_root,
        options.num_train,
        options.num_val,
        options.size,
        color_bias=1,  # small networks learn colours in minutes, and shapes in hours
    )


def bank_stage(options: WordDemoOptions) -> Stage:
    """Give each word a vector."""
    return make_stage(
        'text_embeddings',
        'give each word a vector',
        'tools/ovis/prepare_text_embeddings.py',
        *('--vocab', options.truth, '--encoder', 'hash', '--model', 128),
        *('--out', options.bank),
    )


def prepare_stage(
    options: WordDemoOptions, masks: Path, out: Path, name: str = 'prepare'
) -> Stage:
    """Make a training set of pseudo masks."""
    return make_stage(
        name,
        'make a training set of the pseudo masks',
        'tools/ovis/prepare_coco_dataset.py',
        *('--inputs', masks, '--ref', options.truth, '--vocabulary', options.truth),
        *('--base', SEEN, '--novel', UNSEEN, '--out', out),
    )


def test_stage(
    options: WordDemoOptions,
    name: str,
    title: str,
    config: str,
    checkpoint: Path,
    *settings: str,
) -> Stage:
    """Test a detector with all words at once, and with those of either group.

    Args:
        options (WordDemoOptions): Of the demo.
        name (str): Of what is tested; its folder takes detections and metrics.
        title (str): The same for people.
        config (str): One of OpenShapes'.
        checkpoint (Path): Weights.
        *settings (str): Changes to the config, ``key=value``.
    """
    folder = options.work_dir / name
    return make_stage(
        f'test_{name}',
        f'test: {title}',
        'tools/test.py',
        *(config_path(config), checkpoint, '--work-dir', folder / 'test'),
        *('--out', folder / 'detections', '--metrics-out', folder / 'metrics.json'),
        '--cfg-options',
        *data_options(options.data_root, 'test'),
        *settings,
        f'test_evaluator.ann_file={options.data_root}/annotations/instances_val.json',
        config=config,
    )
