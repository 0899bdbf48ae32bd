"""Average recall on unseen classes, as an mmengine metric."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from mmdet.evaluation.metrics import CocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import get_local_path
from mmengine.logging import MMLogger

from ...utils.coco import load_coco
from ..coco_objects import Detections, GroundTruth
from ..coco_shapes import IOU_TYPES
from ..functional.open_world_recall import MAX_DETS, check_protocol
from ..open_world import evaluate_open_world, format_table, split_category_ids


@METRICS.register_module()
class OpenWorldCocoMetric(CocoMetric):
    """Class-agnostic AR, AP and F1 on classes that the model has not been trained on.

    The cross-category protocol of OLN (Kim et al., RA-L 2022) and GGN (Wang et al.,
    CVPR 2022): all annotations of the file take part, those of other classes than
    ``eval_class`` are not scored, and a detection on one of them does not use up the
    budget k of AR@k. So the model should keep more than k detections an image (1,500
    for AR@1000). Predicted labels are ignored, also those of a class-aware model; they
    only choose the ``category_id`` in the results file, and a label that names no
    category of the file is written as its first one.

    The keys, after the prefix, are those of
    `mmdet_ovis.evaluation.open_world.evaluate_open_world`: ``segm_AR@100`` on
    ``eval_class``, ``seen_segm_AR@100``, ``all_segm_AR@100``, and so on. Values are
    fractions in [0, 1], or -1.0 where a split has no object.

    Args:
        ann_file (str): COCO annotation file with the objects of all classes. All its
            images are evaluated.
        metric (str | Sequence[str]): ``'bbox'``, ``'segm'`` or both.
        eval_class (str | Sequence[str]): Split to score, see
            `mmdet_ovis.structures.class_splits.resolve_split`.
        seen_class (str | Sequence[str], optional): Split of the ``seen_`` keys.
            Default: all other classes.
        protocol (str): What is done about the other classes: ``'xclass'`` (the protocol
            above), ``'coco_ignore'`` or ``'filtered_gt'``, see
            `mmdet_ovis.evaluation.functional.open_world_recall.evaluate_image`.
        max_dets (Sequence[int]): Budgets k of AR@k, with 100 among them, which is also
            the budget of AP and F1.
        format_only (bool): Only write the results, to ``outfile_prefix``.
        outfile_prefix (str, optional): Write the detections to
            ``{outfile_prefix}.bbox.json`` and ``{outfile_prefix}.segm.json``.
        backend_args (dict, optional): Of the file backend that ``ann_file`` comes from.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes share results.
        prefix (str, optional): Prefix of the keys. Default: ``'coco'``.

    Raises:
        FileNotFoundError: If there is no ``ann_file``.
        ValueError: If it is not a COCO file, lacks a class of a split, or a parameter
            is unknown. In `evaluate`, if a prediction is of an image that the file
            lacks or of another size.
    """

    def __init__(
        self,
        ann_file: str,
        metric: str | Sequence[str] = 'segm',
        eval_class: str | Sequence[str] = 'nonvoc',
        seen_class: str | Sequence[str] | None = None,
        protocol: str = 'xclass',
        max_dets: Sequence[int] = MAX_DETS,
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
        self.protocol = protocol
        self.max_dets = check_protocol(protocol, max_dets)
        with get_local_path(ann_file, backend_args=backend_args) as path:
            self._coco_api = load_coco(path)
        self._ground_truth = GroundTruth(self._coco_api.dataset, str(ann_file))
        self._splits = split_category_ids(self._ground_truth, eval_class, seen_class)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics from the results of all processes.

        Args:
            results (list): Pairs of image facts and predictions, one an image, as
                `CocoMetric.process` makes them.

        Returns:
            dict[str, float]: See the class; empty if ``format_only``.
        """
        logger = MMLogger.get_current_instance()
        predictions = self._check_predictions([pred for _, pred in results])
        self.cat_ids = self._category_of_labels(predictions)
        if self.outfile_prefix is not None and predictions:
            files = self.results2json(list(predictions.values()), self.outfile_prefix)
            logger.info(f'Detections are in {", ".join(sorted(set(files.values())))}')
        if self.format_only:
            return {}
        num_images = len(self._ground_truth.sizes)
        if len(predictions) < num_images:
            logger.warning(
                f'{num_images - len(predictions)} of {num_images} images of '
                f'{self._ground_truth.where} have no prediction; their objects count '
                'as missed'
            )
        metrics = evaluate_open_world(
            self._ground_truth,
            partial(self._detections, predictions),
            self._splits,
            self.metrics,
            self.protocol,
            self.max_dets,
        )
        logger.info('\n' + format_table(metrics, self.metrics))
        return metrics

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

    def _check_predictions(self, predictions: list[dict]) -> dict[int, dict]:
        """Index predictions by image and see that they fit the annotation file."""
        for prediction in predictions:
            image_id = prediction['img_id']
            name = f'prediction for image {image_id}'
            self._ground_truth.check_image_id(image_id, name)
            if 'segm' not in self.metrics:
                continue
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
        return {prediction['img_id']: prediction for prediction in predictions}

    def _category_of_labels(self, predictions: dict[int, dict]) -> list[int]:
        """Return the category id of each label that occurs."""
        classes = (self.dataset_meta or {}).get('classes', ())
        category_ids = self._coco_api.get_cat_ids(cat_names=list(classes))
        labels = [x['labels'].max(initial=0) for x in predictions.values()]
        num_labels = 1 + int(max(labels, default=0))
        if len(category_ids) == len(classes) >= num_labels:
            return category_ids
        return [next(iter(self._ground_truth.categories))] * num_labels

    def _detections(
        self, predictions: dict[int, dict], image_id: int, iou_type: str
    ) -> Detections:
        """Return what `results2json` writes of one image, as arrays."""
        prediction = predictions.get(image_id)
        if prediction is None:
            empty = [] if iou_type == 'segm' else np.empty((0, 4))
            return Detections(empty, np.empty(0), np.empty(0, dtype=np.int64))
        scores = prediction['scores']
        if iou_type == 'segm':
            scores = prediction.get('mask_scores', scores)
            shapes = list(prediction['masks'])
        else:
            shapes = prediction['bboxes'].astype(np.float64)
            shapes[:, 2:] -= shapes[:, :2]  # xyxy -> xywh
        category_ids = np.asarray(self.cat_ids)[prediction['labels']]
        return Detections(shapes, scores.astype(np.float64), category_ids)
