"""Detections as files: one COCO file, or lists of instances."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from mmdet.structures import DetDataSample

from ...pseudo_labels.mask_cleaning import encode_mask
from ...utils.io import atomic_write_json, atomic_write_text

JSON_FORMATS: Final = ('coco', 'rle')

_DECIMALS = 2  # of boxes, px


class ResultFile(Protocol):
    """Takes the detections of images, then writes them."""

    def add(
        self, source: Path, stem: Path, sample: DetDataSample, frame: int | None = None
    ) -> None:
        """Take the detections of an image or frame.

        Args:
            source (Path): Image or video.
            stem (Path): Name of its output, without suffix.
            sample (DetDataSample): Its detections.
            frame (int, optional): Number of the frame, from 0.
        """

    def write(self) -> list[Path]:
        """Write what is complete, and name it."""


class CocoResults:
    """One COCO file of all images, with the words as categories.

    Annotations have a ``score``; the list of annotations is also what
    ``COCO.loadRes`` takes. Frames are images named ``<video>#<number>`` with
    ``video`` and ``frame``.

    Args:
        path (str | PathLike): ``.json`` file to write.
        names (Sequence[str]): The vocabulary; category ids count from 1.
    """

    def __init__(self, path: str | os.PathLike, names: Sequence[str]) -> None:
        self._path = Path(path)
        self._names = names
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(
        self, source: Path, stem: Path, sample: DetDataSample, frame: int | None = None
    ) -> None:
        """Take the detections of an image or frame, see :class:`ResultFile`."""
        height, width = sample.metainfo['ori_shape'][:2]
        image = dict(id=len(self._images) + 1, file_name=str(source))
        if frame is not None:
            image |= dict(file_name=f'{source}#{frame}', video=str(source), frame=frame)
        self._images.append({**image, 'height': int(height), 'width': int(width)})
        for instance in encode_instances(sample, self._names):
            instance.pop('name')
            label = instance.pop('label')
            self._annotations.append(
                dict(
                    id=len(self._annotations) + 1,
                    image_id=image['id'],
                    category_id=label + 1,
                    iscrowd=0,
                    **instance,
                )
            )

    def write(self) -> list[Path]:
        """Write the file."""
        categories = [dict(id=i, name=name) for i, name in enumerate(self._names, 1)]
        dataset = dict(
            images=self._images, annotations=self._annotations, categories=categories
        )
        atomic_write_json(self._path, dataset)
        return [self._path]


class RleResults:
    """A list of instances beside each picture; of a video, a line a frame.

    Args:
        names (Sequence[str]): The vocabulary.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._frames: dict[Path, list[Mapping[str, Any]]] = {}
        self._written: list[Path] = []

    def add(
        self, source: Path, stem: Path, sample: DetDataSample, frame: int | None = None
    ) -> None:
        """Take the detections of an image or frame, see :class:`ResultFile`."""
        instances = encode_instances(sample, self._names)
        if frame is None:
            path = stem.with_name(f'{stem.name}.json')
            atomic_write_json(path, instances)
            self._written.append(path)
            return
        path = stem.with_name(f'{stem.name}.jsonl')
        self._frames.setdefault(path, []).append(dict(frame=frame, instances=instances))

    def write(self) -> list[Path]:
        """Write the lines of videos; images are written already."""
        for path, frames in self._frames.items():
            lines = [json.dumps(frame, allow_nan=False) for frame in frames]
            atomic_write_text(path, '\n'.join(lines) + '\n')
        written = [*self._written, *self._frames]
        self._frames, self._written = {}, []
        return written


def encode_instances(
    sample: DetDataSample, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Make detections ready for JSON.

    Args:
        sample (DetDataSample): With ``pred_instances`` on the CPU.
        names (Sequence[str]): Of the labels.

    Returns:
        list[dict]: ``name``, ``label``, ``score``, ``bbox`` (xywh in pixels), ``area``
        (of the mask, else of the box), and ``segmentation`` (RLE) where there are
        masks.
    """
    found = sample.pred_instances
    masks = found.masks.numpy() if 'masks' in found else None
    boxes = found.bboxes.numpy().astype(np.float64)
    encoded = []
    for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        label = int(found.labels[i])
        bbox = [round(value, _DECIMALS) for value in (x1, y1, x2 - x1, y2 - y1)]
        instance = dict(
            name=names[label],
            label=label,
            score=round(float(found.scores[i]), 6),
            bbox=bbox,
            area=round((x2 - x1) * (y2 - y1), _DECIMALS),
        )
        if masks is not None:
            instance['area'] = int(np.count_nonzero(masks[i]))
            instance['segmentation'] = encode_mask(masks[i])
        encoded.append(instance)
    return encoded
