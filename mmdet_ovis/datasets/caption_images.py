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
from .word_files import ImageList


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
        images = list(iter_captioned_images(self.ann_file))
        self.image_list = ImageList.of(images)
        return [self.parse_image(image) for image in images]

    def parse_image(self, image: CaptionedImage) -> dict[str, Any]:
        """Turn what the file says about an image into what a pipeline takes.

        Args:
            image (CaptionedImage): Of ``ann_file``.

        Returns:
            dict: ``img_id``, ``img_path``, ``captions``, ``instances`` (none), and
            ``height`` and ``width`` unless :meth:`read_size` leaves them open.
        """
        path = Path(self.data_prefix['img'], image.file_name)
        data_info: dict[str, Any] = {
            'img_id': image.image_id,
            'img_path': str(path),
            'captions': list(image.captions),
            'instances': [],
        }
        size = image.size or self.read_size(path)
        if size is not None:
            data_info['height'], data_info['width'] = size
        return data_info

    def read_size(self, path: Path) -> tuple[int, int] | None:
        """Return height and width of an image whose size the file does not tell."""
        return read_image_size(path)

    def filter_data(self) -> list[dict]:
        """Drop images without a caption."""
        kept = [info for info in self.data_list if info['captions']]
        if not kept:
            raise ValueError(
                f'{self.ann_file}: none of its {len(self.data_list)} images has a '
                'caption'
            )
        return kept
