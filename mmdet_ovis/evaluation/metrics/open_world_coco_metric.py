"""Average recall on unseen classes, as an mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ..functional.open_world_recall import MAX_DETS, ImageOutcome, check_protocol
from ..open_world import (
    evaluate_detections,
    format_table,
    split_category_ids,
    summarize_outcomes,
)
from .checked_coco_metric import CheckedCocoMetric, nothing_in, to_detections


@METRICS.register_module()
class OpenWorldCocoMetric(CheckedCocoMetric):
    """Class-agnostic AR, AP and F1 on classes that the model has not been trained on.

    The cross-category protocol of OLN (Kim et al., RA-L 2022) and GGN (Wang et al.,
    CVPR 2022): all annotations of the file take part, those of other classes than
    ``eval_class`` are not scored, and a detection on one of them does not use up the
    budget k of AR@k. So the model should keep more than k detections an image (1,500
    for AR@1000). Predicted labels are ignored, also those of a class-aware model; they
    only choose the ``category_id`` in the results file, and a label that names no
    category of the file is written as its first one.

    Each image is evaluated when its detections come, in the process that has them; what
    stays in memory, or is sent to the first process, are some kilobytes an image.

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
            is unknown. In `process`, if a prediction is of an image that the file lacks
            or of another size.
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
        super().__init__(
            ann_file=ann_file,
            metric=metric,
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            backend_args=backend_args,
            collect_device=collect_device,
            prefix=prefix,
        )
        self.protocol = protocol
        self.max_dets = check_protocol(protocol, max_dets)
        self._splits = split_category_ids(self._ground_truth, eval_class, seen_class)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Evaluate the images of a batch, and keep their counts.

        The detections themselves are let go, unless they are to be written.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Samples with predictions, as dicts.
        """
        done = len(self.results)
        super().process(data_batch, data_samples)
        self.results[done:] = [self._evaluate(x) for _, x in self.results[done:]]

    def _evaluate(self, prediction: dict) -> _ImageResult:
        image_id = prediction['img_id']
        self.check_prediction(prediction)
        labels = prediction['labels']
        category_ids = self._category_of_labels(labels.max(initial=0))
        outcomes = {}
        if not self.format_only:
            for iou_type in self.metrics:
                outcomes[iou_type] = evaluate_detections(
                    self._ground_truth.objects(image_id, iou_type),
                    to_detections(
                        prediction, iou_type, np.asarray(category_ids)[labels]
                    ),
                    self._splits,
                    self.protocol,
                    self.max_dets,
                )
        keep = self.outfile_prefix is not None
        return _ImageResult(image_id, outcomes, prediction if keep else None)

    def compute_metrics(self, results: list[_ImageResult]) -> dict[str, float]:
        """Compute the metrics from the results of all processes.

        Args:
            results (list): What `process` has kept, one entry an image.

        Returns:
            dict[str, float]: See the class; empty if ``format_only``.
        """
        logger = MMLogger.get_current_instance()
        by_image = {result.image_id: result for result in results}
        if self.outfile_prefix is not None and by_image:
            predictions = [result.prediction for result in by_image.values()]
            self.cat_ids = self._category_of_labels(
                max(x['labels'].max(initial=0) for x in predictions)
            )
            files = self.results2json(predictions, self.outfile_prefix)
            logger.info(f'Detections are in {", ".join(sorted(set(files.values())))}')
        if self.format_only:
            return {}
        num_images = len(self._ground_truth.sizes)
        if len(by_image) < num_images:
            logger.warning(
                f'{num_images - len(by_image)} of {num_images} images of '
                f'{self._ground_truth.where} have no prediction; their objects count '
                'as missed'
            )
        for image_id in self._ground_truth.sizes.keys() - by_image.keys():
            by_image[image_id] = self._evaluate(nothing_in(image_id))
        metrics = {}
        for iou_type in self.metrics:
            outcomes = [
                by_image[image_id].outcomes[iou_type] for image_id in sorted(by_image)
            ]
            metrics.update(
                summarize_outcomes(outcomes, self._splits, iou_type, self.max_dets)
            )
        logger.info('\n' + format_table(metrics, self.metrics))
        return metrics

    def _category_of_labels(self, highest: int) -> list[int]:
        """Return the category id of each label up to the highest that occurs."""
        classes = (self.dataset_meta or {}).get('classes', ())
        category_ids = self._coco_api.get_cat_ids(cat_names=list(classes))
        if len(category_ids) == len(classes) > highest:
            return category_ids
        return [next(iter(self._ground_truth.categories))] * (int(highest) + 1)


@dataclass(frozen=True)
class _ImageResult:
    """Outcomes of one image by IoU type, and its detections if they are written."""

    image_id: int
    outcomes: dict[str, ImageOutcome]
    prediction: dict | None
