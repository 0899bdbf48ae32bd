"""Objects of base classes that people drew, and pseudo instances of novel classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS

from ..structures.base_novel import ClassList
from ..structures.pseudo_annotation import PseudoAnnotation
from .ov_coco import OVCocoDataset
from .pseudo_label import PseudoLabelCocoDataset


@DATASETS.register_module()
class OVPseudoLabelCocoDataset(PseudoLabelCocoDataset, OVCocoDataset):
    """Ground truth of base classes with pseudo instances of novel classes added.

    Overlaps are always computed anew: what a file says under ``gt_iou`` is of the
    labels that its maker knew.

    Args:
        split (str | Sequence[str], optional): Classes of the dataset. Defaults to
            ``'all'``, base and novel ones.
        train_class (str | Sequence[str | int]): Classes with ground truth. Defaults to
            ``'base'``.
        pseudo_class (str | Sequence[str]): Classes with pseudo instances, as ``split``.
            Defaults to ``'novel'``.
        iou_thresh (float, optional): Keep pseudo instances whose mask has an IoU below
            it with every object of ``train_class``. Defaults to 0.5.
        **kwargs: Arguments of :class:`.pseudo_label.PseudoLabelCocoDataset` and
            :class:`.ov_coco.OVCocoDataset`.
    """

    def __init__(
        self,
        *args,
        split: ClassList | None = 'all',
        train_class: str | Sequence[str | int] = 'base',
        pseudo_class: ClassList = 'novel',
        iou_thresh: float | None = 0.5,
        **kwargs,
    ) -> None:
        self.pseudo_class = pseudo_class
        super().__init__(
            *args, split=split, train_class=train_class, iou_thresh=iou_thresh, **kwargs
        )

    def choose_classes(self, categories: Sequence[dict[str, Any]]) -> None:
        """Choose the classes, and those of pseudo instances among them."""
        super().choose_classes(categories)
        classes = self._metainfo['classes']
        known = {cat['id']: cat['name'] for cat in categories if cat['name'] in classes}
        self._pseudo_names = set(self.resolve_classes(self.pseudo_class, known))

    def pseudo_label(self, ann: PseudoAnnotation) -> int | None:
        """Return the label of a pseudo annotation of ``pseudo_class``, else None."""
        label = super().pseudo_label(ann)
        if label is None or self._metainfo['classes'][label] in self._pseudo_names:
            return label
        return None

    def pseudo_candidates(
        self,
        anns: Sequence[PseudoAnnotation],
        data_info: Mapping[str, Any],
        file: str | Path,
    ) -> list[dict]:
        """Choose among the pseudo annotations of one image."""
        unknown = [{**ann, 'gt_iou': None} for ann in anns]
        return super().pseudo_candidates(unknown, data_info, file)
