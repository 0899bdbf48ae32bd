"""COCO with a split of its classes into seen and unseen ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS

from ..pseudo_labels.filters import score_weight as weight_of_score
from ..structures.class_splits import resolve_split
from ..structures.pseudo_annotation import PSEUDO_DEFAULTS, is_pseudo
from ..utils.coco import index_coco
from ..utils.io import read_json
from .proposal_files import ProposalFileMixin


@DATASETS.register_module()
class CocoSplitDataset(ProposalFileMixin, CocoDataset):
    """COCO-format dataset of which only some classes are labelled.

    The cross-category protocol of OLN (Kim et al., RA-L 2022) and GGN (Wang et al.,
    CVPR 2022): the annotations of ``train_class`` are the ground truth, every other
    object is unlabelled background. In training, images without an annotation of
    ``train_class`` are dropped.

    Pseudo annotations of the file (``tools/merge_annotations.py`` and
    ``tools/ovis/prepare_coco_dataset.py`` write such files) are labels like others, but
    marked: ``is_pseudo``, ``pseudo_score``, ``source`` and maybe ``loss_weight``.

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
        score_weight (tuple[float, float], optional): Scores between which the weight of
            a pseudo mask in the loss rises from 0 to 1; ground truth has weight 1. It
            takes the transforms ``LoadInstanceFlags`` and ``PackInstanceInputs`` and
            the heads of ``mmdet_ovis.models`` that weight instances. Defaults to None
            (no weights).
        **kwargs: Arguments of :class:`mmdet.datasets.CocoDataset`. ``proposal_file``
            is read by :class:`.proposal_files.ProposalFileMixin`.

    Raises:
        FileNotFoundError: If the annotation file is missing.
        ValueError: If it is broken, a split is unknown or holds classes that the file
            lacks, no image is left, or ``score_weight`` is no range.
    """

    def __init__(
        self,
        *args,
        train_class: str | Sequence[str | int] = 'all',
        eval_class: str | Sequence[str | int] = 'all',
        is_class_agnostic: bool = False,
        keep_unseen: bool = False,
        score_weight: tuple[float, float] | None = None,
        **kwargs,
    ) -> None:
        if score_weight is not None:
            low, high = score_weight
            if not low < high:
                raise ValueError(
                    f'score_weight is (low, high) with low < high, not ({low}, {high})'
                )
        self.train_class = train_class
        self.eval_class = eval_class
        self.is_class_agnostic = is_class_agnostic
        self.keep_unseen = keep_unseen
        self.score_weight = score_weight
        super().__init__(*args, **kwargs)

    def COCOAPI(self, ann_file: str) -> COCO:  # noqa: N802 (mmdet's name)
        """Read the annotation file and resolve the splits against its categories."""
        content = read_json(ann_file)
        if isinstance(content, dict):
            # COCO's lists of images without labels (image_info_*.json) lack the key.
            content.setdefault('annotations', [])
        coco = index_coco(content, ann_file)
        categories = coco.dataset['categories']
        try:
            self.choose_classes(categories)
            classes = self._metainfo['classes']
            ids = {category['name']: category['id'] for category in categories}
            known = {ids[name]: name for name in classes if name in ids}
            if not known:
                raise ValueError(
                    'the file has none of the classes of the dataset '
                    f'({", ".join(classes[:5])}, ...); set metainfo=dict(classes=...) '
                    'or is_class_agnostic=True'
                )
            self.cat_ids_of_words = {name.lower(): ids[name] for name in known.values()}
            self.train_cat_ids = [
                ids[name] for name in self.resolve_classes(self.train_class, known)
            ]
            self.eval_cat_ids = [
                ids[name] for name in self.resolve_classes(self.eval_class, known)
            ]
        except ValueError as error:
            raise ValueError(f'{ann_file}: {error}') from None
        return coco

    def choose_classes(self, categories: Sequence[dict[str, Any]]) -> None:
        """Set the classes of the dataset, where its file has a say in them.

        Args:
            categories (Sequence[dict]): Those of the file.
        """
        if self.is_class_agnostic:
            names = tuple(category['name'] for category in categories)
            self._metainfo['classes'] = names

    def resolve_classes(
        self, split: str | Sequence[str | int], known: Mapping[int, str]
    ) -> tuple[str, ...]:
        """Turn ``train_class`` or ``eval_class`` into class names.

        Args:
            split (str | Sequence[str | int]): What the config says.
            known (Mapping[int, str]): Classes of the dataset by category id.

        Raises:
            ValueError: If the split is unknown or holds other classes.
        """
        return resolve_split(split, known)

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
        data_info = self._parse_annotations(raw_data_info, annotations)
        seen_labels = {self.cat2label[cat_id] for cat_id in seen}
        for instance in data_info['instances']:
            instance['is_seen'] = instance['bbox_label'] in seen_labels
            if self.is_class_agnostic:
                instance['bbox_label'] = 0
        return data_info

    def _parse_annotations(self, raw: dict, annotations: list[dict]) -> dict:
        """Let mmdet parse annotations, and mark those that are pseudo."""
        if not any(map(is_pseudo, annotations)):
            return super().parse_data_info({**raw, 'raw_ann_info': annotations})
        data_info = super().parse_data_info({**raw, 'raw_ann_info': []})
        for ann in annotations:
            # One by one: mmdet leaves some out, and does not say which.
            parsed = super().parse_data_info({**raw, 'raw_ann_info': [ann]})
            for instance in parsed['instances']:
                if is_pseudo(ann):
                    instance.update(self.pseudo_marks(ann))
                data_info['instances'].append(instance)
        return data_info

    def pseudo_marks(self, ann: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the instance of a pseudo annotation has beyond others."""
        score = ann.get('score', 1.0)
        marks = {
            'is_pseudo': True,
            'pseudo_score': score,
            'source': ann.get('source', PSEUDO_DEFAULTS['source']),
        }
        if self.score_weight is not None:
            marks['loss_weight'] = weight_of_score(score, *self.score_weight)
        return marks

    def keep_images(self, data_list: Iterable[Mapping[str, Any]]) -> None:
        """Let training keep images, also without an annotation of ``train_class``.

        Args:
            data_list (Iterable[Mapping]): Images with ``img_id``.
        """
        # What mmdet's filter asks for the images that hold an instance.
        self.cat_img_map[self.train_cat_ids[0]] += [
            data_info['img_id'] for data_info in data_list
        ]

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
