"""Average precision of base and novel classes, as an mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ...structures.base_novel import BaseNovel, ClassList, find_base_novel
from ..coco_objects import Detections
from ..open_vocabulary import (
    EvaluatedClasses,
    check_constrained,
    evaluate_open_vocabulary,
    format_classes,
    format_groups,
    verified_classes,
)
from .checked_coco_metric import CheckedCocoMetric, nothing_in, to_detections


@METRICS.register_module()
class OVCocoInstanceMetric(CheckedCocoMetric):
    """AP of base, novel and all classes that a model was asked for by name.

    Evaluated are the classes of the dataset (``classes`` of its metainfo: the names
    that the model was given), on the images that have an object of them. So the dataset
    decides on the setting: with all classes it is the generalized one, where base and
    novel classes compete; with the novel classes alone (``split='novel'`` of
    ``OVCocoDataset``) it is the constrained one. With ``constrained`` one group of a
    larger vocabulary is evaluated alone.

    The keys, after the prefix, are ``{t}_{g}_AP``, ``{t}_{g}_AP50``, ``{t}_{g}_AP75``
    for IoU type t (``bbox``, ``segm``) and group g (``base``, ``novel``, ``all``);
    ``{t}_hm_AP50``, the harmonic mean of base and novel; ``{t}_novel_AR@100`` and
    ``@300``. With ``constrained`` those of its group alone, with ``constrained_`` in
    front: ``segm_constrained_novel_AP50``. Values are fractions in [0, 1]; classes
    without an object count in no mean, and -1.0 stands where none is left.

    Args:
        ann_file (str): COCO annotation file of the images.
        metric (str | Sequence[str]): ``'bbox'``, ``'segm'`` or both. Defaults to both.
        base_classes (str | Sequence[str], optional): Base classes, a named split or
            names. Defaults to None: ``base_classes`` of the dataset's metainfo, else
            what ``ann_file`` says, else COCO's 48.
        novel_classes (str | Sequence[str], optional): The same for novel classes.
        constrained (str, optional): ``'base'`` or ``'novel'``: evaluate this group
            only, on images with an object of it; predictions of other classes do not
            count. Defaults to None.
        verified_only (bool): Drop predictions of classes that are not verified for
            their image, as for Open Images: those of its objects and its
            ``neg_category_ids`` are. Defaults to False.
        **kwargs: Arguments of :class:`.checked_coco_metric.CheckedCocoMetric`.

    Raises:
        FileNotFoundError: If there is no ``ann_file``.
        ValueError: If it is not a COCO file, a class or parameter is unknown, or no
            class is verified. In `process`, if a prediction is of an image that the
            file lacks or of another size.
    """

    def __init__(
        self,
        ann_file: str,
        metric: str | Sequence[str] = ('bbox', 'segm'),
        base_classes: ClassList | None = None,
        novel_classes: ClassList | None = None,
        constrained: str | None = None,
        verified_only: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(ann_file, metric, **kwargs)
        check_constrained(constrained)
        self.base_classes = base_classes
        self.novel_classes = novel_classes
        self.constrained = constrained
        truth = self._ground_truth
        self._verified = verified_classes(truth) if verified_only else None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the predictions of a batch, as far as the file has their classes.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Samples with predictions, as dicts.
        """
        done = len(self.results)
        super().process(data_batch, data_samples)
        self.results[done:] = [
            self._of_known_classes(prediction) for _, prediction in self.results[done:]
        ]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the metrics from the predictions of all processes.

        Args:
            results (list): What `process` has kept, one entry an image.

        Returns:
            dict[str, float]: See the class; empty if ``format_only``.
        """
        logger = MMLogger.get_current_instance()
        if self.outfile_prefix is not None and results:
            self.cat_ids = self._category_of_labels()
            files = self.results2json(results, self.outfile_prefix)
            logger.info(f'Detections are in {", ".join(sorted(set(files.values())))}')
        if self.format_only:
            return {}
        truth = self._ground_truth
        category_ids = np.array(self._category_of_labels())
        vocabulary = {
            i: name for i, name in self._categories().items() if i in category_ids
        }
        classes = EvaluatedClasses.of(
            truth, vocabulary, self._base_novel(), self.constrained
        )
        by_image = {result['img_id']: result for result in results}
        missing = [i for i in classes.image_ids if i not in by_image]
        if missing:
            logger.warning(
                f'{len(missing)} of {len(classes.image_ids)} images of {truth.where} '
                'have no prediction; their objects count as missed'
            )

        def detections(image_id: int, iou_type: str) -> Detections:
            prediction = by_image.get(image_id) or nothing_in(image_id)
            found = category_ids[prediction['labels']]
            return to_detections(prediction, iou_type, found)

        scores = {
            iou_type: evaluate_open_vocabulary(
                truth, detections, classes, iou_type, self._verified
            )
            for iou_type in self.metrics
        }
        metrics: dict[str, float] = {}
        for of_type in scores.values():
            metrics.update(of_type.metrics)
        logger.info('\n' + format_classes(scores, classes))
        logger.info('\n' + format_groups(metrics, self.metrics))
        return metrics

    def _of_known_classes(self, prediction: dict) -> dict:
        """Check a prediction, and leave out what is of no category of the file."""
        self.check_prediction(prediction)
        category_ids = np.array(self._category_of_labels())
        labels = prediction['labels']
        if labels.max(initial=0) >= len(category_ids):
            raise ValueError(
                f'prediction for image {prediction["img_id"]}: label {labels.max()}, '
                f'but the dataset has {len(category_ids)} classes; the model was given '
                'another vocabulary'
            )
        known = np.flatnonzero(category_ids[labels] >= 0)
        if len(known) == len(labels):
            return prediction
        kept = {'img_id': prediction['img_id']}
        for key in ('bboxes', 'scores', 'labels', 'mask_scores'):
            if key in prediction:
                kept[key] = prediction[key][known]
        if 'masks' in prediction:
            kept['masks'] = [prediction['masks'][i] for i in known]
        return kept

    def _categories(self) -> dict[int, str]:
        """Return the categories of the file, as the dataset calls them."""
        renames = (self.dataset_meta or {}).get('renames', {})
        categories = self._ground_truth.categories
        return {i: renames.get(name, name) for i, name in categories.items()}

    def _category_of_labels(self) -> list[int]:
        """Return the category id of each label, -1 where the file has none."""
        meta = self.dataset_meta or {}
        if 'classes' not in meta:
            raise ValueError(
                "the dataset's metainfo has no classes, so nothing says which class a "
                'label means'
            )
        ids = {name: i for i, name in self._categories().items()}
        return [ids.get(name, -1) for name in meta['classes']]

    def _base_novel(self) -> BaseNovel:
        meta = self.dataset_meta or {}
        if self.base_classes is None and 'base_classes' in meta:
            return BaseNovel(
                tuple(meta['base_classes']), tuple(meta.get('novel_classes', ()))
            )
        names = self._categories()
        categories = [
            {**category, 'name': names[category['id']]}
            for category in self._coco_api.dataset['categories']
        ]
        return find_base_novel(categories, self.base_classes, self.novel_classes)
