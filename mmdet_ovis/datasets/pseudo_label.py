"""Ground truth of the seen classes plus pseudo masks of everything else."""

from __future__ import annotations

import random
from pathlib import Path

from mmdet.registry import DATASETS

from ..pseudo_labels.filters import select_pseudo_annotations
from ..pseudo_labels.reader import load_pseudo_annotations
from .coco_split import CocoSplitDataset


@DATASETS.register_module()
class PseudoLabelCocoDataset(CocoSplitDataset):
    """COCO ground truth of ``train_class`` with pseudo masks added.

    The training set of GGN's detector (Wang et al., CVPR 2022, section 3.3). A pseudo
    instance always has label 0, whatever ``category_id`` its file gives, so it is kept
    for every choice of ``train_class``.

    Args:
        additional_ann_file (str): Pseudo annotations: the output of
            ``tools/extract_pa_masks.py`` or of ``tools/merge_annotations.py``.
            Relative paths are joined to ``data_root``.
        iou_thresh (float, optional): Keep pseudo masks with ``gt_iou`` below it
            (strict), that is those not labelled already. Defaults to None (all).
        score_thresh (float, optional): Keep those with ``score`` of at least it.
            Defaults to None (all).
        top_k (int, optional): How many of the rest an image gets, best rank first.
            Defaults to None (all).
        random_sample_masks (bool): Draw the ``top_k`` at random, anew at each visit
            of an image. Defaults to False.
        use_images_without_gt (bool): Train also on images that have pseudo masks but
            no object of ``train_class``. Defaults to False.
        **kwargs: Arguments of :class:`CocoSplitDataset`.

    Raises:
        ValueError: If the pseudo file is broken or of other images.
    """

    def __init__(
        self,
        *args,
        additional_ann_file: str,
        iou_thresh: float | None = None,
        score_thresh: float | None = None,
        top_k: int | None = None,
        random_sample_masks: bool = False,
        use_images_without_gt: bool = False,
        **kwargs,
    ) -> None:
        self.additional_ann_file = additional_ann_file
        self.iou_thresh = iou_thresh
        self.score_thresh = score_thresh
        self.top_k = top_k
        self.random_sample_masks = random_sample_masks
        self.use_images_without_gt = use_images_without_gt
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images with their ground truth and their pseudo candidates."""
        data_list = super().load_data_list()
        pseudo_file = Path(self.data_root or '', self.additional_ann_file)
        pseudo = load_pseudo_annotations(pseudo_file)
        self._check_images(pseudo, data_list, pseudo_file)
        for data_info in data_list:
            candidates = select_pseudo_annotations(
                pseudo.get(data_info['img_id'], []),
                iou_thresh=self.iou_thresh,
                score_thresh=self.score_thresh,
                top_k=None if self.random_sample_masks else self.top_k,
            )
            data_info['pseudo_instances'] = [
                self._to_instance(ann) for ann in candidates
            ]
        return data_list

    def filter_data(self) -> list[dict]:
        """Drop images as the parent does, but keep pseudo-labelled ones if asked."""
        kept = super().filter_data()
        if self.test_mode or not self.use_images_without_gt:
            return kept
        min_size = (self.filter_cfg or {}).get('min_size', 0)
        kept_ids = {data_info['img_id'] for data_info in kept}
        return [
            data_info
            for data_info in self.data_list
            if data_info['img_id'] in kept_ids
            or (
                data_info['pseudo_instances']
                and min(data_info['height'], data_info['width']) >= min_size
            )
        ]

    def get_data_info(self, idx: int) -> dict:
        """Return one image with its ground truth followed by its pseudo instances."""
        data_info = super().get_data_info(idx)
        pseudo = data_info.pop('pseudo_instances', [])
        if self.random_sample_masks and self.top_k is not None:
            pseudo = random.sample(pseudo, min(self.top_k, len(pseudo)))
        data_info['instances'] = data_info['instances'] + pseudo
        return data_info

    @staticmethod
    def _to_instance(ann: dict) -> dict:
        x, y, w, h = ann['bbox']
        return {
            'bbox': [x, y, x + w, y + h],
            'bbox_label': 0,
            'mask': ann['segmentation'],
            'ignore_flag': 0,
            'is_seen': False,
            'is_pseudo': True,
            'pseudo_score': ann['score'],
        }

    def _check_images(
        self, pseudo: dict[int, list[dict]], data_list: list[dict], file: Path
    ) -> None:
        sizes = {d['img_id']: [d['height'], d['width']] for d in data_list}
        unknown = [image_id for image_id in pseudo if image_id not in sizes]
        if unknown:
            raise ValueError(
                f'{file} holds pseudo masks of {len(unknown)} images that '
                f'{self.ann_file} does not have (for example image_id {unknown[0]}); '
                'extract them on the images of this annotation file'
            )
        for image_id, anns in pseudo.items():
            for ann in anns:
                if list(ann['segmentation']['size']) != sizes[image_id]:
                    raise ValueError(
                        f'{file}: a mask of image_id {image_id} has size '
                        f'{ann["segmentation"]["size"]}, the image is '
                        f'{sizes[image_id]} (height, width)'
                    )
