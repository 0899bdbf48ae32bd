"""COCO with a split of its classes into seen and unseen ones."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS

from ..structures.class_splits import resolve_split
from ..utils.coco import index_coco
from ..utils.io import read_json


@DATASETS.register_module()
class CocoSplitDataset(CocoDataset):
    """COCO-format dataset of which only some classes are labelled.

    The cross-category protocol of OLN (Kim et al., RA-L 2022) and GGN (Wang et al.,
    CVPR 2022): the annotations of ``train_class`` are the ground truth, every other
    object is unlabelled background. In training, images without an annotation of
    ``train_class`` are dropped.

    Args:
        train_class (str | Sequence[str | int]): Classes that are labelled: a named
            split (see :func:`~mmdet_ovis.structures.class_splits.resolve_split`), or
            class names and category ids. Defaults to ``'all'``.
        eval_class (str | Sequence[str | int]): Classes on which the metric judges. The
            dataset only checks that they exist. Defaults to ``'all'``.
        is_class_agnostic (bool): Give every instance label 0 and call it
            ``'object'``. The classes are then those of the annotation file, whatever
            its vocabulary. Defaults to False.
        keep_unseen (bool): Load the objects of all classes and mark each with
            ``is_seen``, for metrics that report both halves. Defaults to False.
        **kwargs: Arguments of :class:`mmdet.datasets.CocoDataset`.

    Raises:
        FileNotFoundError: If the annotation file is missing.
        ValueError: If it is broken, a split is unknown or holds classes that the file
            lacks, or no image is left.
    """

    def __init__(
        self,
        *args,
        train_class: str | Sequence[str | int] = 'all',
        eval_class: str | Sequence[str | int] = 'all',
        is_class_agnostic: bool = False,
        keep_unseen: bool = False,
        **kwargs,
    ) -> None:
        self.train_class = train_class
        self.eval_class = eval_class
        self.is_class_agnostic = is_class_agnostic
        self.keep_unseen = keep_unseen
        super().__init__(*args, **kwargs)

    def COCOAPI(self, ann_file: str) -> COCO:  # noqa: N802 (mmdet's name)
        """Read the annotation file and resolve the splits against its categories."""
        content = read_json(ann_file)
        if isinstance(content, dict):
            # COCO's lists of images without labels (image_info_*.json) lack the key.
            content.setdefault('annotations', [])
        coco = index_coco(content, ann_file)
        ids = {
            category['name']: category['id'] for category in coco.dataset['categories']
        }
        if self.is_class_agnostic:
            self._metainfo['classes'] = tuple(ids)
        names = (name for name in self._metainfo['classes'] if name in ids)
        known = {ids[name]: name for name in names}
        if not known:
            raise ValueError(
                f'{ann_file} has none of the classes of the dataset '
                f'({", ".join(self._metainfo["classes"][:5])}, ...); set metainfo='
                'dict(classes=...) or is_class_agnostic=True'
            )
        try:
            self.train_cat_ids = [
                ids[n] for n in resolve_split(self.train_class, known)
            ]
            self.eval_cat_ids = [ids[n] for n in resolve_split(self.eval_class, known)]
        except ValueError as error:
            raise ValueError(f'{ann_file}: {error}') from None
        return coco

    def load_data_list(self) -> list[dict]:
        """Load images and the instances of ``train_class``."""
        data_list = super().load_data_list()
        if self.is_class_agnostic:
            self._metainfo['classes'] = ('object',)
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse one image; instances of other classes than ``train_class`` go."""
        seen = set(self.train_cat_ids)
        annotations = raw_data_info['raw_ann_info']
        if not self.keep_unseen:
            annotations = [ann for ann in annotations if ann['category_id'] in seen]
        data_info = super().parse_data_info(
            {**raw_data_info, 'raw_ann_info': annotations}
        )
        seen_labels = {self.cat2label[cat_id] for cat_id in seen}
        for instance in data_info['instances']:
            instance['is_seen'] = instance['bbox_label'] in seen_labels
            if self.is_class_agnostic:
                instance['bbox_label'] = 0
        return data_info

    def filter_data(self) -> list[dict]:
        """Drop images without an annotation of ``train_class`` (training only)."""
        cat_ids, self.cat_ids = self.cat_ids, self.train_cat_ids
        try:
            kept = super().filter_data()
        finally:
            self.cat_ids = cat_ids
        if not kept:
            raise ValueError(
                f'{self.ann_file}: none of its {len(self.data_list)} images is left '
                f'with train_class={self.train_class!r} and filter_cfg='
                f'{self.filter_cfg}'
            )
        return kept
