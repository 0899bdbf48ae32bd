"""What the metrics on COCO files share: checks of predictions, and results files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.evaluation.metrics import CocoMetric
from mmengine.fileio import get_local_path
from numpy.typing import NDArray

from ...utils.coco import load_coco
from ..coco_objects import Detections, GroundTruth
from ..coco_shapes import IOU_TYPES


class CheckedCocoMetric(CocoMetric):
    """``CocoMetric`` that checks what it is given, and writes whole files.

    Args:
        ann_file (str): COCO annotation file.
        metric (str | Sequence[str]): ``'bbox'``, ``'segm'`` or both.
        format_only (bool): Only write the results, to ``outfile_prefix``.
        outfile_prefix (str, optional): Write the detections to
            ``{outfile_prefix}.bbox.json`` and ``{outfile_prefix}.segm.json``.
        backend_args (dict, optional): Of the file backend that ``ann_file`` comes from.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes share results.
        prefix (str, optional): Prefix of the keys. Default: ``'coco'``.

    Raises:
        FileNotFoundError: If there is no ``ann_file``.
        ValueError: If it is not a COCO file, or ``metric`` is something else.
    """

    def __init__(
        self,
        ann_file: str,
        metric: str | Sequence[str] = 'segm',
        format_only: bool = False,
        outfile_prefix: str | None = None,
        backend_args: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        metrics = [metric] if isinstance(metric, str) else list(metric)
        unknown = set(metrics) - set(IOU_TYPES)
        if unknown or not metrics:
            raise ValueError(f"metric must be 'bbox', 'segm' or both, got {metric!r}")
        if format_only and outfile_prefix is None:
            raise ValueError('format_only needs an outfile_prefix to write to')
        super().__init__(
            metric=metrics,
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            backend_args=backend_args,
            collect_device=collect_device,
            prefix=prefix,
        )
        with get_local_path(ann_file, backend_args=backend_args) as path:
            self._coco_api = load_coco(path)
        self._ground_truth = GroundTruth(self._coco_api.dataset, str(ann_file))

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict:
        """Write the detections as COCO results, each file whole or not at all.

        Args:
            results (Sequence[dict]): Predictions, one dict an image, at least one.
            outfile_prefix (str): Folder and start of the file names.

        Returns:
            dict: Path of the file of each kind of result.
        """
        prefix = Path(outfile_prefix)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=prefix.parent) as folder:
            written = super().results2json(results, str(Path(folder, prefix.name)))
            for path in set(written.values()):
                with Path(path).open('rb') as file:
                    os.fsync(file.fileno())
                Path(path).replace(prefix.with_name(Path(path).name))
        return {
            kind: str(prefix.with_name(Path(path).name))
            for kind, path in written.items()
        }

    def check_prediction(self, prediction: dict) -> None:
        """See that a prediction fits the annotation file.

        Raises:
            ValueError: If it is of an image that the file lacks or of another size, or
                has no masks where they are needed.
        """
        image_id = prediction['img_id']
        name = f'prediction for image {image_id}'
        self._ground_truth.check_image_id(image_id, name)
        if 'segm' not in self.metrics:
            return
        if 'masks' not in prediction:
            raise ValueError(
                f"{name} has no masks; metric 'segm' needs a model with masks"
            )
        size = self._ground_truth.sizes[image_id]
        for mask in prediction['masks']:
            if tuple(mask['size']) != size:
                raise ValueError(
                    f'{name}: a mask has size {list(mask["size"])}, the image has '
                    f'{list(size)} (height, width) in {self._ground_truth.where}'
                )


def to_detections(
    prediction: dict, iou_type: str, category_ids: NDArray[np.int64]
) -> Detections:
    """Return what `results2json` writes of one image, as arrays.

    Args:
        prediction (dict): What ``CocoMetric.process`` makes of one image.
        iou_type (str): ``'bbox'`` or ``'segm'``.
        category_ids (NDArray[np.int64]): Shape (n,), one a detection.
    """
    scores = prediction['scores']
    if iou_type == 'segm':
        scores = prediction.get('mask_scores', scores)
        shapes = list(prediction['masks'])
    else:
        shapes = prediction['bboxes'].astype(np.float64)
        shapes[:, 2:] -= shapes[:, :2]  # xyxy -> xywh
    return Detections(shapes, scores.astype(np.float64), category_ids)


def nothing_in(image_id: int) -> dict[str, Any]:
    """Return the prediction of an image in which nothing is found."""
    return {
        'img_id': image_id,
        'bboxes': np.zeros((0, 4)),
        'scores': np.zeros(0),
        'labels': np.zeros(0, dtype=np.int64),
        'masks': [],
    }
