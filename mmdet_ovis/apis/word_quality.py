"""How well words are found: the pointing game, and overlaps of pseudo masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmengine.config import Config
from mmengine.device import get_device
from pycocotools import mask as mask_api
from terminaltables import AsciiTable

from ..evaluation.functional.pointing_game import points_at
from ..pseudo_labels.reader import load_pseudo_annotations
from ..structures.pseudo_annotation import RLE
from ..utils.coco import image_sizes, load_coco
from ..utils.progress import show_progress
from ..vlm import PhraseActivation
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
        self._ids = {cat['name']: i for i, cat in self.coco.cats.items()}
        self.names = tuple(self._ids)

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

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, or the file has none of the classes.
    """
    cfg = load_generation_config(config, cfg_options)
    truth = Truth(ann_file)
    parts = build_generation(cfg, limit, device or get_device())
    words = parts.source.vocabulary.names
    if not set(words) & set(truth.names):
        raise ValueError(
            f'{ann_file} has none of the {len(words)} classes of the vocabulary; it '
            f'has {", ".join(truth.names[:5])}, ...'
        )
    scores = {word: WordScores() for word in words}
    _play(parts, truth, scores, tolerance)
    if masks is not None:
        _overlap(masks, truth, scores)
    result = {word: score.to_dict() for word, score in scores.items()}
    return {**result, MEAN: _mean(result)}


def _play(
    parts: Generation, truth: Truth, scores: Mapping[str, WordScores], tolerance: int
) -> None:
    total, size = len(parts.reader.images), parts.batch_size
    with show_progress('pointing game', total) as advance:
        for start in range(0, total, size):
            positions = range(start, min(start + size, total))
            samples = [parts.reader.read(position) for position in positions]
            for sample, found in zip(samples, parts.look(samples), strict=True):
                for activation in found:
                    hit = _is_hit(sample, activation, truth, tolerance)
                    scores[activation.phrase.name].hits.append(hit)
                advance()


def _is_hit(
    sample: CaptionedSample,
    activation: PhraseActivation,
    truth: Truth,
    tolerance: int,
) -> bool:
    target = np.zeros(sample.image.shape[:2], bool)
    for rle in truth.rles(sample.image_id, activation.phrase.name):
        target |= mask_api.decode(rle).astype(bool)
    return points_at(activation.box_map, target, tolerance)


def _overlap(masks: str | Path, truth: Truth, scores: Mapping[str, WordScores]) -> None:
    for image_id, anns in load_pseudo_annotations(masks, truth.sizes).items():
        for ann in anns:
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
