"""Images of which only their captions are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from .captions import CaptionedImage, iter_captioned_images
from .converters.masks import read_image_size


@DATASETS.register_module()
class CaptionDataset(BaseDetDataset):
    """Dataset of images with ``captions``, a list of sentences, and no instances.

    Images without a caption are left out.

    Args:
        ann_file (str): Captions, see :func:`.captions.iter_captioned_images`.
        data_prefix (Mapping[str, str]): ``img`` is the folder of the images. Defaults
            to ``data_root`` itself.
        **kwargs: Arguments of mmdet's ``BaseDetDataset``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, or no image is left.
    """

    METAINFO: dict = {}

    def __init__(
        self,
        *args,
        data_prefix: Mapping[str, str] = MappingProxyType({'img': ''}),
        **kwargs,
    ) -> None:
        super().__init__(*args, data_prefix=dict(data_prefix), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images with their captions."""
        return [self._parse(image) for image in iter_captioned_images(self.ann_file)]

    def _parse(self, image: CaptionedImage) -> dict[str, Any]:
        path = Path(self.data_prefix['img'], image.file_name)
        height, width = image.size or read_image_size(path)
        return {
            'img_id': image.image_id,
            'img_path': str(path),
            'height': height,
            'width': width,
            'captions': list(image.captions),
            'instances': [],
        }

    def filter_data(self) -> list[dict]:
        """Drop images without a caption."""
        kept = [info for info in self.data_list if info['captions']]
        if not kept:
            raise ValueError(
                f'{self.ann_file}: none of its {len(self.data_list)} images has a '
                'caption'
            )
        return kept
