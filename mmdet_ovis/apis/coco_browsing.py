"""Pictures of a COCO-style file, beside ground truth if there is some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_api

from ..evaluation.coco_objects import GroundTruth, Objects
from ..evaluation.coco_shapes import shape_ious
from ..structures.instance_masks import seen_rles
from ..utils.coco import load_coco
from ..utils.image import write_image
from ..visualization.instances import (
    GROUND_TRUTH,
    IGNORED,
    DrawnInstance,
    draw_instances,
    resize_picture,
)
from .browsing import DatasetBrowser


def browse_coco_file(
    ann_file: str | Path,
    image_dir: str | Path,
    out_dir: str | Path,
    gt: str | Path | None = None,
    limit: int | None = None,
    interval: int = 1,
    image_ids: Sequence[int] | None = None,
    boxes: bool = False,
) -> Iterator[Path]:
    """Draw the images of a COCO-style file with the words and scores of its masks.

    Args:
        ann_file (str | Path): COCO file, for example of
            ``tools/ovis/prepare_coco_dataset.py``.
        image_dir (str | Path): Folder of the images.
        out_dir (str | Path): ``<image_id>.png`` go here.
        gt (str | Path, optional): COCO file with the objects of the images, which stand
            beside; each mask shows its best IoU with one of them, and the class of this
            one if it is another.
        limit (int, optional): Draw so many images. Defaults to all.
        interval (int): Draw every so many-th image. Defaults to 1.
        image_ids (Sequence[int], optional): Draw these images only.
        boxes (bool): Draw boxes too. Defaults to False.

    Yields:
        Path: Each picture, when it is written.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is broken, or ``gt`` lacks an image.
    """
    truth = GroundTruth(load_coco(gt).dataset, str(gt)) if gt else None
    browser = LabelBrowser(ann_file, image_dir, truth, boxes)
    for position in browser.positions(image_ids, interval, limit):
        image_id, picture = browser.draw(position)
        path = Path(out_dir, f'{image_id}.png')
        write_image(path, picture)
        yield path


class LabelBrowser(DatasetBrowser):
    """Draws single images of a COCO-style file.

    Args:
        ann_file (str | Path): See :func:`browse_coco_file`.
        image_dir (str | Path): See there.
        truth (GroundTruth, optional): Objects of the images.
        boxes (bool): Draw boxes too.
    """

    def __init__(
        self,
        ann_file: str | Path,
        image_dir: str | Path,
        truth: GroundTruth | None = None,
        boxes: bool = False,
    ) -> None:
        init_default_scope('mmdet')
        dataset = dict(
            type='OVCocoDataset',
            ann_file=str(ann_file),
            data_prefix=dict(img=str(image_dir)),
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
                dict(type='PackDetInputs', meta_keys=('img_id',)),
            ],
        )
        cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
        super().__init__(cfg, 'train', boxes)
        self.truth = truth
        self._image_id = 0
        self._objects: Objects | None = None

    def draw(self, position: int) -> tuple[int, np.ndarray]:
        """Draw one image; see :meth:`.browsing.DatasetBrowser.draw`."""
        if self.truth is not None:
            self._image_id = self.dataset.get_data_info(position)['img_id']
            self.truth.check_image_id(self._image_id, str(self.dataset.ann_file))
            self._objects = self.truth.objects(self._image_id, 'segm')
        return super().draw(position)

    def _text(self, instance: dict) -> str:
        """Say word and score, and how well the mask fits an object."""
        text, objects = super()._text(instance), self._objects
        if objects is None:
            return text
        # No transform changes the image, so masks are at its size.
        size = self.truth.sizes[self._image_id]
        rles = seen_rles([{**instance, 'is_seen': True}], size)
        ious = shape_ious(rles, objects.shapes, objects.crowd)
        if not ious.size:
            return f'{text} IoU 0.00'
        best = int(ious[0].argmax())
        name = self.truth.categories[int(objects.category_ids[best])]
        word = self.dataset.metainfo['classes'][instance['bbox_label']]
        other = f' ({name})' if name != word and ious[0, best] > 0 else ''
        return f'{text} IoU {ious[0, best]:.2f}{other}'

    def _further_pictures(
        self, sample: DetDataSample, image: np.ndarray, scale: float
    ) -> Iterator[tuple[np.ndarray, str]]:
        """Yield the objects of the image, with the names of their classes."""
        yield from super()._further_pictures(sample, image, scale)
        if self._objects is None:
            return
        objects = [
            DrawnInstance(
                IGNORED if crowd else GROUND_TRUTH,
                mask_api.decode(shape).astype(bool),
                text=self.truth.categories[int(category_id)],
            )
            for shape, crowd, category_id in zip(
                self._objects.shapes,
                self._objects.crowd,
                self._objects.category_ids,
                strict=True,
            )
        ]
        picture, drawn = resize_picture(image, objects, scale)
        yield draw_instances(picture, drawn), f'ground truth, {len(objects)} objects'
