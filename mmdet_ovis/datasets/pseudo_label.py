"""Ground truth of the seen classes plus pseudo masks of everything else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.logging import MMLogger

from ..pseudo_labels.filters import (
    drop_contained_annotations,
    select_pseudo_annotations,
)
from ..pseudo_labels.gt_iou import fill_gt_iou
from ..pseudo_labels.reader import load_pseudo_annotations
from ..structures.instance_masks import seen_rles
from ..structures.pseudo_annotation import PseudoAnnotation
from .coco_split import CocoSplitDataset


class BasePseudoLabelDataset(CocoSplitDataset):
    """Which pseudo masks of an image are trained with, wherever they come from.

    In a class-agnostic dataset a pseudo instance has label 0, whatever ``category_id``
    its file gives, so it is kept for every choice of ``train_class``. In others it has
    the class that its ``word`` names or, where it has no word, its ``category_id``;
    pseudo instances of no class of the dataset are left out. The rules apply in the
    order of the arguments.

    Args:
        iou_thresh (float, optional): Keep pseudo masks with ``gt_iou`` below it
            (strict), that is those not labelled already. Defaults to None (all).
        score_thresh (float, optional): Keep those with ``score`` of at least it.
            Defaults to None (all).
        contain_thresh (float, optional): Leave out those of which more than this share
            lies inside one seen instance: parts of labelled objects. Defaults to None
            (none is left out).
        top_k (int, optional): How many of the rest an image gets, best rank first.
            Defaults to None (all).
        random_sample_masks (bool): Draw the ``top_k`` at random, anew at each visit
            of an image. Defaults to False.
        **kwargs: Arguments of :class:`CocoSplitDataset`.

    Raises:
        ValueError: If a threshold is out of its range.
    """

    def __init__(
        self,
        *args,
        iou_thresh: float | None = None,
        score_thresh: float | None = None,
        contain_thresh: float | None = None,
        top_k: int | None = None,
        random_sample_masks: bool = False,
        **kwargs,
    ) -> None:
        # Values that the rules refuse, before anything is loaded.
        select_pseudo_annotations([], top_k=top_k)
        if contain_thresh is not None:
            drop_contained_annotations([], [], contain_thresh)
        self.iou_thresh = iou_thresh
        self.score_thresh = score_thresh
        self.contain_thresh = contain_thresh
        self.top_k = top_k
        self.random_sample_masks = random_sample_masks
        super().__init__(*args, **kwargs)

    def pseudo_candidates(
        self,
        anns: Sequence[PseudoAnnotation],
        data_info: Mapping[str, Any],
        file: str | Path,
    ) -> list[dict]:
        """Choose among the pseudo annotations of one image, all but a random choice.

        Args:
            anns (Sequence[PseudoAnnotation]): Those of the image.
            data_info (Mapping): The image with its ground truth.
            file (str | Path): Where they come from, for messages.

        Returns:
            list[dict]: Instances as mmdet's datasets hold them, by rank.

        Raises:
            ValueError: If a mask is not of the size of the image.
        """
        size = (data_info['height'], data_info['width'])
        anns = [ann for ann in anns if self.pseudo_label(ann) is not None]
        _check_sizes(anns, size, data_info['img_id'], file)
        unknown = any(ann['gt_iou'] is None for ann in anns)
        gt_rles = []
        if unknown or self.contain_thresh is not None:
            gt_rles = seen_rles(data_info['instances'], size)
        anns = fill_gt_iou(anns, gt_rles)
        anns = select_pseudo_annotations(anns, self.iou_thresh, self.score_thresh)
        if self.contain_thresh is not None:
            anns = drop_contained_annotations(anns, gt_rles, self.contain_thresh)
        if not self.random_sample_masks:
            anns = select_pseudo_annotations(anns, top_k=self.top_k)
        return [self._to_instance(ann) for ann in anns]

    def draw_candidates(self, candidates: Sequence[dict]) -> list[dict]:
        """Make the random choice among the candidates of an image, if there is one."""
        if not self.random_sample_masks or self.top_k is None:
            return list(candidates)
        return random.sample(candidates, min(self.top_k, len(candidates)))

    def pseudo_label(self, ann: PseudoAnnotation) -> int | None:
        """Return the label of a pseudo annotation, None if it is of no class here."""
        if self.is_class_agnostic:
            return 0
        word = ann.get('word')
        if word is None:
            return self.cat2label.get(ann['category_id'])
        return self.cat2label.get(self.cat_ids_of_words.get(word.lower()))

    def _to_instance(self, ann: PseudoAnnotation) -> dict:
        x, y, w, h = ann['bbox']
        return {
            'bbox': [x, y, x + w, y + h],
            'bbox_label': self.pseudo_label(ann),
            'mask': ann['segmentation'],
            'ignore_flag': 0,
            'is_seen': False,
            **self.pseudo_marks(ann),
        }


@DATASETS.register_module()
class PseudoLabelCocoDataset(BasePseudoLabelDataset):
    """COCO ground truth of ``train_class`` with the pseudo masks of one file added.

    The training set of GGN's detector (Wang et al., CVPR 2022, section 3.3).

    Args:
        additional_ann_file (str): Pseudo annotations: the output of
            ``tools/extract_pa_masks.py`` or of ``tools/merge_annotations.py``, or COCO
            results of another tool, whose ``gt_iou`` is computed here. Relative paths
            are joined to ``data_root``.
        use_images_without_gt (bool): Train also on images that have pseudo masks but
            no object of ``train_class``. Defaults to False.
        **kwargs: Arguments of :class:`BasePseudoLabelDataset`.

    Raises:
        ValueError: If the pseudo file is broken or of other images.
    """

    def __init__(
        self,
        *args,
        additional_ann_file: str,
        use_images_without_gt: bool = False,
        **kwargs,
    ) -> None:
        self.additional_ann_file = additional_ann_file
        self.use_images_without_gt = use_images_without_gt
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images with their ground truth and their pseudo candidates."""
        data_list = super().load_data_list()
        pseudo_file = Path(self.data_root or '', self.additional_ann_file)
        sizes = {d['img_id']: (d['height'], d['width']) for d in data_list}
        pseudo = load_pseudo_annotations(pseudo_file, sizes)
        self._check_images(pseudo, sizes, pseudo_file)
        self._check_classes(pseudo, pseudo_file)
        for data_info in data_list:
            data_info['pseudo_instances'] = self.pseudo_candidates(
                pseudo.get(data_info['img_id'], []), data_info, pseudo_file
            )
        if self.use_images_without_gt:
            self.keep_images(info for info in data_list if info['pseudo_instances'])
        return data_list

    def get_data_info(self, idx: int) -> dict:
        """Return one image with its ground truth followed by its pseudo instances."""
        data_info = super().get_data_info(idx)
        pseudo = data_info.pop('pseudo_instances', [])
        data_info['instances'] = data_info['instances'] + self.draw_candidates(pseudo)
        return data_info

    def _check_images(
        self, pseudo: Collection[int], known: Collection[int], file: Path
    ) -> None:
        unknown = [image_id for image_id in pseudo if image_id not in known]
        if unknown:
            raise ValueError(
                f'{file} holds pseudo masks of {len(unknown)} images that '
                f'{self.ann_file} does not have (for example image_id {unknown[0]}); '
                'extract them on the images of this annotation file'
            )

    def _check_classes(
        self, pseudo: Mapping[int, Sequence[PseudoAnnotation]], file: Path
    ) -> None:
        """Count what is of no class of the dataset."""
        anns = list(chain.from_iterable(pseudo.values()))
        others = [ann for ann in anns if self.pseudo_label(ann) is None]
        if not others:
            return
        classes = Counter(
            ann.get('word', f'category {ann["category_id"]}') for ann in others
        )
        examples = ', '.join(name for name, _ in classes.most_common(3))
        if len(others) == len(anns):
            raise ValueError(
                f'{file}: none of its {len(anns)} pseudo masks is of a class that '
                f'the dataset takes from it; they are of others, for example {examples}'
            )
        MMLogger.get_current_instance().warning(
            '%s: %d of %d pseudo masks are left out, they are of other classes, for '
            'example %s',
            *(file, len(others), len(anns), examples),
        )


def _check_sizes(
    anns: Sequence[PseudoAnnotation],
    size: tuple[int, int],
    image_id: int,
    file: str | Path,
) -> None:
    for ann in anns:
        if tuple(ann['segmentation']['size']) != size:
            raise ValueError(
                f'{file}: a mask of image_id {image_id} has size '
                f'{ann["segmentation"]["size"]}, the image is {list(size)} '
                '(height, width); tools/interpolate_extracted_masks.py --ref brings '
                'masks to the size of their images'
            )
