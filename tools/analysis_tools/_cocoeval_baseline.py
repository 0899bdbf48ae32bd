"""pycocotools' own evaluation of many images in little memory, for the benchmark."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


class ChunkedCOCOeval:
    """`COCOeval` without categories, fed with some images at a time.

    Every image is evaluated by `COCOeval.evaluate` and all of them are put together by
    `COCOeval.accumulate`, both as they are. Only annotations and IoUs of images that
    are done do not stay in memory.

    Args:
        max_dets (Sequence[int]): Budgets of detections an image.
    """

    def __init__(self, max_dets: Sequence[int]) -> None:
        self.max_dets = list(max_dets)
        self._image_ids: list[int] = []
        self._by_area: dict[int, list[Any]] = {}

    def load(self, dataset: dict, results: list[dict]) -> COCOeval:
        """Index images and detections."""
        truth = COCO()
        truth.dataset = dataset
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(results), 'segm')
        self._set(evaluation)
        return evaluation

    def evaluate(self, evaluation: COCOeval) -> None:
        """Match the detections of some images, in ascending order of image ids."""
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        image_ids = evaluation.params.imgIds
        self._image_ids += image_ids
        for area in range(len(evaluation.params.areaRng)):
            start = area * len(image_ids)
            self._by_area.setdefault(area, []).extend(
                evaluation.evalImgs[start : start + len(image_ids)]
            )

    def accumulate(self) -> tuple[np.ndarray, np.ndarray]:
        """Put all images together.

        Returns:
            tuple[np.ndarray, np.ndarray]: Recall (A, T, K), and precision with 100
            detections an image (A, T, 101).
        """
        with contextlib.redirect_stdout(io.StringIO()):
            whole = COCOeval(iouType='segm')
            self._set(whole)
            whole.params.imgIds = self._image_ids
            whole._paramsEval = copy.deepcopy(whole.params)
            whole.evalImgs = [
                image for area in self._by_area.values() for image in area
            ]
            whole.accumulate()
        recall = whole.eval['recall'][:, 0]  # T x A x K
        headline = self.max_dets.index(100)
        precision = whole.eval['precision'][:, :, 0, :, headline]  # T x R x A
        return recall.swapaxes(0, 1), precision.transpose(2, 0, 1)

    def _set(self, evaluation: COCOeval) -> None:
        evaluation.params.useCats = 0
        evaluation.params.maxDets = self.max_dets
