"""COCO for open-vocabulary detection: base and novel classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmdet.registry import DATASETS

from ..structures.base_novel import ClassList
from ..utils.settings import check_choice
from .coco_split import CocoSplitDataset
from .ov_classes import choose_ov_classes, members_of_split

CROWD_RULES: Final = ('ignore', 'drop')


@DATASETS.register_module()
class OVCocoDataset(CocoSplitDataset):
    """COCO-format dataset whose annotation file says which classes there are.

    ``metainfo`` has ``classes``, the names of the categories in the order of the file,
    so that the rows of a text embedding bank can follow it, and which of them are
    ``base_classes`` and ``novel_classes``. Labels are places in ``classes``. Images
    without an annotation of these classes are dropped, in testing too, as the splits of
    COCO into 48 base and 17 novel classes (Bansal et al., ECCV 2018; Zareian et al.,
    CVPR 2021) ask for: an image where nothing can be right has false positives only.

    Args:
        split (str | Sequence[str], optional): Classes of the dataset: ``'base'``,
            ``'novel'``, ``'all'`` (both), another named split (see
            :func:`~mmdet_ovis.structures.class_splits.resolve_split`), or class names.
            Defaults to None: all categories of the file.
        base_classes (str | Sequence[str], optional): Base classes, a named split or
            names. Defaults to None: what the file says under ``split`` of its
            categories, else COCO's 48.
        novel_classes (str | Sequence[str], optional): Novel classes, with
            ``base_classes``. Defaults to None: as there, else COCO's 17.
        renames (Mapping[str, str], optional): New names of categories, for example
            ``{'Computer mouse': 'mouse'}``; they count everywhere else.
        train_class (str | Sequence[str | int]): Classes among these that are labelled;
            ``'base'`` and ``'novel'`` are understood. Defaults to ``'all'``.
        crowd (str): ``'ignore'``: crowd regions are no objects, and nothing is learned
            from them; ``'drop'``: they are background, as in the code of OVR-CNN and
            its successors. Defaults to ``'ignore'``.
        filter_cfg (dict, optional): As for :class:`mmdet.datasets.CocoDataset`, but for
            testing too. Defaults to None: ``dict(filter_empty_gt=True)``.
        **kwargs: Arguments of :class:`CocoSplitDataset`. ``classes`` of ``metainfo``
            are read as ``split``.

    Raises:
        FileNotFoundError: If the annotation file is missing.
        ValueError: If it is broken, two of the classes have one name, the file lacks a
            class that is asked for, or no image is left.
    """

    METAINFO: dict = {}  # not COCO's classes and colours

    def __init__(
        self,
        *args,
        split: ClassList | None = None,
        base_classes: ClassList | None = None,
        novel_classes: ClassList | None = None,
        renames: Mapping[str, str] | None = None,
        crowd: str = 'ignore',
        filter_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        check_choice('crowd', crowd, CROWD_RULES)
        if split is not None and 'classes' in (kwargs.get('metainfo') or {}):
            raise ValueError(
                f'the classes are given twice: split={split!r} and metainfo.classes'
            )
        if kwargs.get('is_class_agnostic'):
            raise ValueError(
                f'{type(self).__name__} tells classes apart; CocoSplitDataset with '
                "train_class='ov_base' and is_class_agnostic=True does not"
            )
        self.split = split
        self.base_classes = base_classes
        self.novel_classes = novel_classes
        self.renames = dict(renames or {})
        self.crowd = crowd
        if filter_cfg is None:
            filter_cfg = {'filter_empty_gt': True}
        super().__init__(*args, filter_cfg=filter_cfg, **kwargs)

    def choose_classes(self, categories: Sequence[dict[str, Any]]) -> None:
        """Rename the categories and set classes, base and novel ones."""
        found = choose_ov_classes(
            categories,
            self._metainfo.get('classes', self.split),
            self.base_classes,
            self.novel_classes,
            self.renames,
        )
        self._groups = found.groups
        self._metainfo.update(found.metainfo)
        classes = self._metainfo['classes']
        self._ids_of_classes = [
            category['id'] for category in categories if category['name'] in classes
        ]

    def resolve_classes(
        self, split: str | Sequence[str | int], known: Mapping[int, str]
    ) -> tuple[str, ...]:
        """Turn ``train_class`` into class names; ``'base'`` and ``'novel'`` work."""
        if split in ('base', 'novel'):
            return members_of_split(split, self._groups, list(known.values()))
        return super().resolve_classes(split, known)

    def load_data_list(self) -> list[dict]:
        """Load images and instances; labels are places in the file's categories."""
        data_list = super().load_data_list()
        # Rows of embeddings follow the names, labels the categories.
        assert self.cat_ids == self._ids_of_classes
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Parse one image, with or without its crowd regions."""
        annotations = raw_data_info['raw_ann_info']
        if self.crowd == 'drop':
            annotations = [ann for ann in annotations if not ann.get('iscrowd')]
        return super().parse_data_info({**raw_data_info, 'raw_ann_info': annotations})

    def filter_data(self) -> list[dict]:
        """Drop images without an annotation of the classes, in testing too."""
        test_mode, self.test_mode = self.test_mode, False
        try:
            return super().filter_data()
        finally:
            self.test_mode = test_mode
