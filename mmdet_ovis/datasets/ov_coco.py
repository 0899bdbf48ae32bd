"""COCO for open-vocabulary detection: base and novel classes, captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mmdet.registry import DATASETS

from ..structures.base_novel import BaseNovel, ClassList, find_base_novel
from ..structures.class_splits import resolve_split, select_classes
from .captions import read_caption_words, read_captions
from .coco_split import CocoSplitDataset

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
        if crowd not in CROWD_RULES:
            raise ValueError(f"crowd is 'ignore' or 'drop', not {crowd!r}")
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
        for category in categories:
            category['name'] = self.renames.get(category['name'], category['name'])
        names = [category['name'] for category in categories]
        groups = find_base_novel(categories, self.base_classes, self.novel_classes)
        split = self._metainfo.get('classes', self.split)
        classes = _choose(split, groups, names)
        _check_unique(classes, categories)
        self._groups = groups
        self._metainfo.update(
            classes=classes,
            base_classes=tuple(name for name in groups.base if name in classes),
            novel_classes=tuple(name for name in groups.novel if name in classes),
            renames=self.renames,
        )
        self._ids_of_classes = [
            category['id'] for category in categories if category['name'] in classes
        ]

    def resolve_classes(
        self, split: str | Sequence[str | int], known: Mapping[int, str]
    ) -> tuple[str, ...]:
        """Turn ``train_class`` into class names; ``'base'`` and ``'novel'`` work."""
        if split in ('base', 'novel'):
            return _choose(split, self._groups, list(known.values()))
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


@DATASETS.register_module()
class CaptionedOVCocoDataset(OVCocoDataset):
    """Open-vocabulary COCO whose images come with captions or the words in them.

    Every image has ``has_det``: whether there is an annotation to learn detection from;
    with ``caption_file`` ``captions``, a list of sentences; with ``words_file``
    ``caption_words``, the words that its captions hold, each once, and
    ``caption_label_ids``, their places in ``caption_classes`` of ``metainfo``. The
    transform that packs inputs hands them on if its ``meta_keys`` name them.

    Args:
        caption_file (str, optional): Captions, see
            :func:`.captions.read_captions`. Relative paths are joined to
            ``data_root``. Defaults to None.
        words_file (str, optional): Words, see :func:`.captions.read_caption_words`.
            Defaults to None.
        **kwargs: Arguments of :class:`OVCocoDataset`. With ``filter_cfg=dict(
            filter_empty_gt=False)`` captioned images without an object stay.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If neither file is given, one is broken, or it has none of the
            images.
    """

    def __init__(
        self,
        *args,
        caption_file: str | None = None,
        words_file: str | None = None,
        **kwargs,
    ) -> None:
        if caption_file is None and words_file is None:
            raise ValueError('a captioned dataset needs caption_file or words_file')
        self.caption_file = caption_file
        self.words_file = words_file
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images with their annotations and what is said about them."""
        data_list = super().load_data_list()
        labelled = set().union(*(self.cat_img_map[i] for i in self.train_cat_ids))
        for data_info in data_list:
            data_info['has_det'] = data_info['img_id'] in labelled
        if self.caption_file is not None:
            self._add_captions(data_list)
        if self.words_file is not None:
            self._add_words(data_list)
        return data_list

    def _add_captions(self, data_list: list[dict]) -> None:
        path = Path(self.data_root or '', self.caption_file)
        captions = read_captions(path)
        self._check_images(captions, data_list, path)
        for data_info in data_list:
            data_info['captions'] = list(captions.get(data_info['img_id'], ()))

    def _add_words(self, data_list: list[dict]) -> None:
        path = Path(self.data_root or '', self.words_file)
        words = read_caption_words(path)
        self._check_images(words.by_image, data_list, path)
        self._metainfo['caption_classes'] = words.vocabulary
        for data_info in data_list:
            found = words.by_image.get(data_info['img_id'], {})
            data_info['caption_words'] = list(found)
            data_info['caption_label_ids'] = list(found.values())

    def _check_images(
        self, known: Mapping[int, Any], data_list: list[dict], path: Path
    ) -> None:
        if not any(data_info['img_id'] in known for data_info in data_list):
            raise ValueError(
                f'{path} has nothing for any of the {len(data_list)} images of '
                f'{self.ann_file}; is it of another dataset or split?'
            )


def _choose(
    split: ClassList | None, groups: BaseNovel, names: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of a file that a split stands for, in their order."""
    if split is None:
        return tuple(names)
    if not isinstance(split, str):
        return select_classes(tuple(split), tuple(names), 'the list of classes')
    members = {
        'base': groups.base,
        'novel': groups.novel,
        'all': groups.base + groups.novel,
    }.get(split)
    if members is None:
        return resolve_split(split, tuple(names))
    if not members:
        what = 'base or novel' if split == 'all' else split
        raise ValueError(
            f"split '{split}': no category is known as a {what} class; give "
            'base_classes and novel_classes, or leave split out to take all categories'
        )
    return tuple(name for name in names if name in members)


def _check_unique(
    classes: Sequence[str], categories: Sequence[Mapping[str, Any]]
) -> None:
    counts = Counter(category['name'] for category in categories)
    twice = [name for name in dict.fromkeys(classes) if counts[name] > 1]
    if twice:
        ids = [cat['id'] for cat in categories if cat['name'] == twice[0]]
        raise ValueError(
            f"the categories {ids} are all called '{twice[0]}', so that their names do "
            'not tell them apart; tools/dataset_converters/ov_split.py --rename gives '
            'them other names'
        )
