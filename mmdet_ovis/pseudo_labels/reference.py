"""The COCO file whose images pseudo labels are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..structures.class_splits import resolve_split
from ..structures.pseudo_annotation import RLE
from ..utils.coco import image_sizes
from ..utils.coco_stream import iter_coco_annotations, load_coco_head
from .results import Size, compress_mask


@dataclass(frozen=True)
class Reference:
    """Images and categories of a COCO file; its annotations stay in the file.

    Args:
        path (Path): The file.
        head (Mapping): Its keys in their order, with ``annotations`` empty.
        sizes (Mapping[int, tuple[int, int]]): Height and width by image id.
        last_id (int): Largest id of an annotation, or 0.
    """

    path: Path
    head: Mapping[str, Any]
    sizes: Mapping[int, Size]
    last_id: int

    @classmethod
    def read(cls, path: str | Path) -> Reference:
        """Read a COCO file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is broken; the message names file and key.
        """
        coco, last_id = load_coco_head(path)
        return cls(Path(path), coco.dataset, image_sizes(coco, path), last_id)

    def annotations(self) -> Iterator[tuple[str, Any]]:
        """Read the ground truth one by one: its place, for messages, and itself."""
        return iter_coco_annotations(self.path)

    def seen_masks(self, seen_class: str | Sequence[str]) -> dict[int, list[RLE]]:
        """Read the masks of the seen classes, crowds excluded.

        Args:
            seen_class (str | Sequence[str]): Split, see
                :func:`~mmdet_ovis.structures.class_splits.resolve_split`.

        Returns:
            dict[int, list[RLE]]: By image; images without one are absent.

        Raises:
            ValueError: If the split does not fit the categories, or an object has no
                mask or belongs to none of the images.
        """
        names = {cat['id']: cat['name'] for cat in self.head['categories']}
        try:
            seen = set(resolve_split(seen_class, tuple(names.values())))
        except ValueError as error:
            raise ValueError(f'{self.path}: {error}') from None
        masks: dict[int, list[RLE]] = {}
        for where, ann in self.annotations():
            if names.get(ann.get('category_id')) in seen and not ann.get('iscrowd'):
                masks.setdefault(ann['image_id'], []).append(self._mask(ann, where))
        return masks

    def _mask(self, ann: Mapping[str, Any], where: str) -> RLE:
        size = self.sizes.get(ann.get('image_id'))
        if size is None:
            raise ValueError(f'{where}: image_id is none of the images of the file')
        rle = compress_mask(ann.get('segmentation'), size, where)
        if tuple(rle['size']) != size:
            raise ValueError(
                f"{where}: key 'segmentation' has size {rle['size']}, the image is "
                f'{list(size)} (height, width)'
            )
        return rle
