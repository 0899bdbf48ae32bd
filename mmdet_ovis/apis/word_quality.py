"""How well words are found: the pointing game, and overlaps of pseudo masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from pycocotools import mask as mask_api
from terminaltables import AsciiTable

from ..evaluation.functional.pointing_game import points_at
from ..pseudo_labels.reader import load_pseudo_annotations
from ..structures.pseudo_annotation import RLE
from ..utils.coco import image_sizes, load_coco
from ..utils.progress import show_progress
from ..vlm import PhraseActivation
from .extraction.images import BrokenImageError
from .generation.inputs import CaptionedSample
from .generation.setup import Generation, build_generation, load_generation_config

MEAN = 'mean over words'


@dataclass
class WordScores:
    """What is known about one word.

    Attributes:
        hits (list[bool]): Of each search of the word, whether its map points at an
            object of the class.
        ious (list[float]): Of each pseudo mask, its best overlap with an object of the
            class in its image.
    """

    hits: list[bool] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, float | int | None]:
        """Return means (None where there is nothing) and numbers."""
        return {
            'pointing_accuracy': fmean(self.hits) if self.hits else None,
            'num_searches': len(self.hits),
            'mask_iou': fmean(self.ious) if self.ious else None,
            'num_masks': len(self.ious),
        }


class Truth:
    """Objects by image and class.

    Args:
        ann_file (str | Path): COCO file with masks.
    """

    def __init__(self, ann_file: str | Path) -> None:
        self.coco: COCO = load_coco(ann_file)
        self.sizes = image_sizes(self.coco, ann_file)
        self.file = ann_file
        self._ids = {cat['name']: i for i, cat in self.coco.cats.items()}
        self.names = tuple(self._ids)

    def check_images(self, image_ids: Collection[int]) -> None:
        """Insist that the file knows images, be there objects in them or not.

        Raises:
            ValueError: If it lacks one.
        """
        missing = [i for i in image_ids if i not in self.sizes]
        if missing:
            raise ValueError(
                f'{self.file} lacks {len(missing)} of the {len(image_ids)} images with '
                f'captions, the first is image_id {missing[0]}; take the file of the '
                'same images'
            )

    def rles(self, image_id: int, name: str) -> list[RLE]:
        """Masks of the objects of a class in an image, crowds included."""
        category = self._ids.get(name)
        return [
            self.coco.annToRLE(ann)
            for ann in self.coco.imgToAnns[image_id]
            if ann['category_id'] == category
        ]


def measure_words(
    config: Config | str | Path,
    ann_file: str | Path,
    masks: str | Path | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    tolerance: int = 0,
    device: str | None = None,
) -> dict[str, dict[str, float | int | None]]:
    """Play the pointing game with the words of captions, and measure their masks.

    Args:
        config (Config | str | Path): As for generation.
        ann_file (str | Path): COCO file with masks of the images; its categories are
            named as the vocabulary's classes.
        masks (str | Path, optional): Pseudo masks with words, as generation or
            ``prepare_coco_dataset`` write them.
        cfg_options (Mapping, optional): Changes to the config.
        limit (int, optional): Play with the first images only.
        tolerance (int): Pixels, see :func:`.points_at`.
        device (str, optional): Defaults to the best one available.

    Returns:
        dict[str, dict]: By word ``pointing_accuracy`` and ``mask_iou`` in [0, 1], with
        ``num_searches`` and ``num_masks``; and their means under ``'mean over words'``.

    Words that ``ann_file`` has no class for, and images that cannot be read, are left
    out, with a warning that counts them.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, ``ann_file`` has none of the classes, or not all
            of the images, or none of these can be read.
    """
    cfg = load_generation_config(config, cfg_options)
    truth = Truth(ann_file)
    parts = build_generation(cfg, limit, device or get_device())
    truth.check_images(parts.reader.image_ids)
    words = parts.source.vocabulary.names
    unknown = [word for word in words if word not in truth.names]
    if len(unknown) == len(words):
        raise ValueError(
            f'{ann_file} has none of the {len(words)} classes of the vocabulary; it '
            f'has {", ".join(truth.names[:5])}, ...'
        )
    if unknown:
        MMLogger.get_current_instance().warning(
            '%d of %d words are left out, because %s has no such class: %s',
            len(unknown),
            len(words),
            ann_file,
            ', '.join(unknown[:5]) + (', ...' if unknown[5:] else ''),
        )
    scores = {word: WordScores() for word in words if word in truth.names}
    _play(parts, truth, scores, tolerance)
    if masks is not None:
        _overlap(masks, truth, scores, unknown)
    result = {word: score.to_dict() for word, score in scores.items()}
    return {**result, MEAN: _mean(result)}


def _play(
    parts: Generation, truth: Truth, scores: Mapping[str, WordScores], tolerance: int
) -> None:
    total, size = len(parts.reader.images), parts.batch_size
    broken: list[str] = []
    with show_progress('pointing game', total) as advance:
        for start in range(0, total, size):
            samples = []
            for position in range(start, min(start + size, total)):
                try:
                    samples.append(parts.reader.read(position))
                except BrokenImageError as error:
                    broken.append(str(error))
                    advance()
            looked = parts.look(samples) if samples else []
            for sample, found in zip(samples, looked, strict=True):
                for activation in found:
                    if activation.phrase.name in scores:
                        hit = _is_hit(sample, activation, truth, tolerance)
                        scores[activation.phrase.name].hits.append(hit)
                advance()
    if len(broken) == total:
        raise ValueError(
            f'none of the {total} images can be read, the first: {broken[0]}; is '
            'captions.img_dir of the config their folder?'
        )
    if broken:
        MMLogger.get_current_instance().warning(
            '%d of %d images are left out, because they cannot be read, the first: %s',
            len(broken),
            total,
            broken[0],
        )


def _is_hit(
    sample: CaptionedSample,
    activation: PhraseActivation,
    truth: Truth,
    tolerance: int,
) -> bool:
    size = sample.image.shape[:2]
    if size != truth.sizes[sample.image_id]:
        raise ValueError(
            f'{truth.file}: image_id {sample.image_id} is '
            f'{list(truth.sizes[sample.image_id])}, {sample.file_name} is {list(size)} '
            '(height, width)'
        )
    target = np.zeros(size, bool)
    for rle in truth.rles(sample.image_id, activation.phrase.name):
        target |= mask_api.decode(rle).astype(bool)
    return points_at(activation.box_map, target, tolerance)


def _overlap(
    masks: str | Path,
    truth: Truth,
    scores: Mapping[str, WordScores],
    unknown: Collection[str],
) -> None:
    for image_id, anns in load_pseudo_annotations(masks, truth.sizes).items():
        for ann in anns:
            if ann.get('word') in unknown:
                continue
            if ann.get('word') not in scores:
                raise ValueError(
                    f'{masks}: image_id {image_id}: no class of the vocabulary is '
                    f'called {ann.get("word")!r}'
                )
            objects = truth.rles(image_id, ann['word'])
            overlaps = mask_api.iou([ann['segmentation']], objects, [0] * len(objects))
            scores[ann['word']].ious.append(float(np.max(overlaps, initial=0.0)))


def _mean(
    result: Mapping[str, Mapping[str, float | int | None]],
) -> dict[str, float | int | None]:
    mean: dict[str, float | int | None] = {}
    for value, number in (
        ('pointing_accuracy', 'num_searches'),
        ('mask_iou', 'num_masks'),
    ):
        known = [row[value] for row in result.values() if row[value] is not None]
        mean[value] = fmean(known) if known else None
        mean[number] = sum(row[number] for row in result.values())
    return mean


def words_table(result: Mapping[str, Mapping[str, Any]]) -> str:
    """Format what :func:`measure_words` returns; figures are percentages."""
    rows = [
        [
            word,
            _percent(row['pointing_accuracy']),
            str(row['num_searches']),
            _percent(row['mask_iou']),
            str(row['num_masks']),
        ]
        for word, row in result.items()
    ]
    head = ['word', 'pointing game', 'searches', 'IoU of masks', 'masks']
    table = AsciiTable([head, *rows], 'words, %')
    for column in range(1, len(head)):
        table.justify_columns[column] = 'right'
    return table.table


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f}'
