"""Pseudo masks that are read while training, one small file an image."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS

from ..pseudo_labels.export import per_image_file, read_per_image
from .pseudo_label import BasePseudoLabelDataset


@DATASETS.register_module()
class OnlinePseudoLabelDataset(BasePseudoLabelDataset):
    """Images that are trained on with the masks of ``{ann_dir}/{image_id}.json``.

    For datasets whose masks do not fit into memory, such as ImageNet, on which GGN
    (Wang et al., CVPR 2022) is pre-trained. ``ann_file`` supplies the images, with or
    without annotations. An image without a file, or of which no mask passes the
    thresholds, is trained on as it is, so ``filter_empty_gt`` of ``filter_cfg`` has no
    effect; ``min_size`` has.

    Samplers that only look at the sizes of images open no file: masks are read in
    :meth:`prepare_data`.

    Args:
        ann_dir (str): Folder of the files that ``--per-image-dir`` of
            ``tools/merge_annotations.py`` and ``--ann-dir`` of
            ``tools/extract_pa_masks.py`` write. Relative paths are joined to
            ``data_root``.
        merge_gt (bool): Train on the annotations of ``train_class`` in ``ann_file``
            too. Defaults to False.
        cache_size (int): Images whose masks each worker keeps in memory, those used
            last. Defaults to 0.
        **kwargs: Arguments of :class:`BasePseudoLabelDataset`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds the file of no image, ``cache_size`` is negative, or
            ``contain_thresh`` has no ground truth to compare with.
    """

    def __init__(
        self,
        *args,
        ann_dir: str,
        merge_gt: bool = False,
        cache_size: int = 0,
        **kwargs,
    ) -> None:
        if cache_size < 0:
            raise ValueError(f'cache_size is a number of images, not {cache_size}')
        if kwargs.get('contain_thresh') is not None and not merge_gt:
            raise ValueError(
                'contain_thresh compares with ground truth, and merge_gt=False leaves '
                'it out; set merge_gt=True or contain_thresh=None'
            )
        self.ann_dir = ann_dir
        self.merge_gt = merge_gt
        self.cache_size = cache_size
        self._cache: OrderedDict[int, list[dict]] = OrderedDict()
        super().__init__(*args, **kwargs)

    @property
    def masks_folder(self) -> Path:
        """Where the files of the images lie."""
        return Path(self.data_root or '', self.ann_dir)

    def load_data_list(self) -> list[dict]:
        """Load the images, with their ground truth if it is wanted."""
        data_list = super().load_data_list()
        self._check_folder(data_list)
        self.keep_images(data_list)
        if not self.merge_gt:
            for data_info in data_list:
                data_info['instances'] = []
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """Read the masks of one image and run the pipeline."""
        data_info = self.get_data_info(idx)
        data_info['instances'] = data_info['instances'] + self.draw_candidates(
            self._read_candidates(data_info)
        )
        return self.pipeline(data_info)

    def _read_candidates(self, data_info: dict) -> list[dict]:
        image_id = data_info['img_id']
        if image_id in self._cache:
            self._cache.move_to_end(image_id)
            return self._cache[image_id]
        anns = read_per_image(self.masks_folder, image_id)
        file = per_image_file(self.masks_folder, image_id)
        candidates = self.pseudo_candidates(anns, data_info, file)
        if self.cache_size:
            self._cache[image_id] = candidates
            if len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        return candidates

    def _check_folder(self, data_list: list[dict]) -> None:
        folder = self.masks_folder
        if not folder.is_dir():
            raise FileNotFoundError(
                f'no such folder: {folder}; --per-image-dir of '
                'tools/merge_annotations.py or --ann-dir of tools/extract_pa_masks.py '
                'writes the masks of each image there'
            )
        if not any(
            per_image_file(folder, data_info['img_id']).is_file()
            for data_info in data_list
        ):
            raise ValueError(
                f'{folder} has no <image_id>.json of any of the '
                f'{len(data_list)} images of {self.ann_file}; were the masks extracted '
                'with another annotation file?'
            )
