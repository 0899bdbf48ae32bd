"""Pictures of what a dataset hands to its model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from mmengine.structures import InstanceData

from ..utils.image import read_image, write_image
from ..utils.settings import check_choice
from ..visualization.affinity_panel import draw_affinity_target
from ..visualization.drawing import make_panel, stack_panels
from ..visualization.instance_visualizer import masks_and_boxes
from ..visualization.instances import (
    GROUND_TRUTH,
    IGNORED,
    UNSEEN,
    DrawnInstance,
    draw_instances,
    draw_legend,
    pseudo_kind,
    resize_picture,
)
from .running import load_config

SPLITS = ('train', 'val', 'test')
_SMALL, _LARGE = 384, 900
"""Pictures are enlarged or reduced until their longer side lies between, in pixels."""


def browse_dataset(
    config: Config | str | Path,
    out_dir: str | Path | None = None,
    split: str = 'train',
    limit: int | None = None,
    interval: int = 1,
    image_ids: Sequence[int] | None = None,
    boxes: bool = False,
    seed: int = 0,
    cfg_options: Mapping[str, Any] | None = None,
) -> Iterator[Path]:
    """Draw the images of a dataset as they leave its pipeline.

    Ground truth, pseudo masks by source, unseen and ignored instances have different
    colours; pseudo masks show their score and, where they have one, their weight in the
    loss. Beside them stands the target of an affinity network. Where the pipeline loads
    no annotations, those of the dataset are drawn all the same.

    Args:
        config (Config | str | Path): Any config with the dataloader of the split.
        out_dir (str | Path, optional): ``<image_id>.png`` go here. Defaults to
            ``work_dirs/browse/<name of the config>/<split>``.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        limit (int, optional): Draw so many images. Defaults to all.
        interval (int): Draw every so many-th image. Defaults to 1.
        image_ids (Sequence[int], optional): Draw these images only.
        boxes (bool): Draw boxes too. Defaults to False.
        seed (int): Of augmentations and random masks; an image looks the same whatever
            other images are drawn.
        cfg_options (Mapping, optional): Changes to the config.

    Yields:
        Path: Each picture, when it is written.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an image is broken, or an option does not fit.
    """
    if isinstance(config, Config):
        cfg = config.copy()
        cfg.merge_from_dict(dict(cfg_options or {}))
    else:
        cfg = load_config(config, cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    if out_dir is None:
        name = Path(cfg.filename).stem if cfg.filename else 'config'
        out_dir = Path('work_dirs', 'browse', name, split)
    browser = DatasetBrowser(cfg, split, boxes)
    for position in browser.positions(image_ids, interval, limit):
        set_random_seed(seed + position)
        image_id, picture = browser.draw(position)
        path = Path(out_dir, f'{image_id}.png')
        write_image(path, picture)
        yield path


class DatasetBrowser:
    """Draws single images of the dataset of a config.

    Args:
        cfg (Config): With ``<split>_dataloader``.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        boxes (bool): Draw boxes too.

    Raises:
        ValueError: If the config has no such dataset.
    """

    def __init__(self, cfg: Config, split: str, boxes: bool = False) -> None:
        dataset_cfg = copy.deepcopy(_dataset_cfg(cfg, split))
        self.boxes = boxes
        self.is_loaded = _loads_annotations(dataset_cfg.pipeline)
        if not self.is_loaded:
            dataset_cfg.pipeline.insert(
                1, dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
            )
        self.dataset: BaseDataset = DATASETS.build(dataset_cfg)
        self.dataset.pipeline = self.recorder = _Recorder(self.dataset.pipeline)
        head = (cfg.get('model') or {}).get('affinity_head')
        self.affinity_head = MODELS.build(head) if head and self.is_loaded else None

    def positions(
        self, image_ids: Sequence[int] | None, interval: int, limit: int | None
    ) -> list[int]:
        """Choose among the images of the dataset.

        Raises:
            ValueError: If an image is not there, or a number is not positive.
        """
        for name, number in (('interval', interval), ('limit', limit)):
            if number is not None and number < 1:
                raise ValueError(f'{name} is a number of images, not {number}')
        positions = range(0, len(self.dataset), interval)
        if image_ids is not None:
            place = {
                self.dataset.get_data_info(i)['img_id']: i
                for i in range(len(self.dataset))
            }
            missing = [image_id for image_id in image_ids if image_id not in place]
            if missing:
                raise ValueError(
                    f'{self.dataset.ann_file}: image_id {missing[0]} is not among the '
                    f'{len(place)} images of the dataset; its filter_cfg and '
                    'train_class may have dropped it'
                )
            positions = [place[image_id] for image_id in image_ids]
        return list(islice(positions, limit))

    def draw(self, position: int) -> tuple[int, np.ndarray]:
        """Run the pipeline on one image and draw what comes out.

        Args:
            position (int): Place in the dataset.

        Returns:
            tuple[int, np.ndarray]: Id of the image, and an RGB picture.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be decoded, or the pipeline drops the image.
        """
        info = self.dataset.get_data_info(position)
        read_image(info['img_path'])  # says what is wrong with a broken file
        data = self.dataset.prepare_data(position)
        if data is None:
            raise ValueError(
                f'{info["img_path"]}: the pipeline drops this image, as one without '
                'instances; leave it out with --image-ids'
            )
        image = _to_rgb(data['inputs'])
        sample: DetDataSample = data['data_samples']
        instances = self._instances(sample, image.shape[:2])
        longer = max(image.shape[:2])
        scale = min(max(1.0, _SMALL / longer), _LARGE / longer)
        picture, drawn = resize_picture(image, instances, scale)
        pictures = [picture, draw_instances(picture, drawn, self.boxes)]
        titles = [
            f'image {info["img_id"]}, {image.shape[1]} x {image.shape[0]}',
            'instances' if self.is_loaded else 'instances (the pipeline has none)',
        ]
        for further, title in self._further_pictures(sample, image, scale):
            pictures.append(further)
            titles.append(title)
        panel = make_panel(pictures, titles)
        legend = draw_legend(instances, panel.shape[1])
        return info['img_id'], stack_panels([panel, legend])

    def _further_pictures(
        self, sample: DetDataSample, image: np.ndarray, scale: float
    ) -> Iterator[tuple[np.ndarray, str]]:
        """Yield what stands beside the instances, with titles.

        Args:
            sample (DetDataSample): What the pipeline makes of an image.
            image (np.ndarray): RGB, (H, W, 3) uint8.
            scale (float): Between the sides of the picture and of the image.
        """
        if self.affinity_head is None:
            return
        size = image.shape[:2]
        truth = self.affinity_head.image_targets(sample, torch.device('cpu'), size)
        target = draw_affinity_target(truth.target.numpy(), truth.valid.numpy())
        enlarged = (round(size[1] * scale), round(size[0] * scale))
        yield (
            cv2.resize(target, enlarged, interpolation=cv2.INTER_NEAREST),
            'target (gray: not supervised)',
        )

    def _instances(
        self, sample: DetDataSample, size: tuple[int, int]
    ) -> list[DrawnInstance]:
        """Collect what the sample holds, at the size (height, width) of its image."""
        drawn = []
        for name, ignored in (('gt_instances', False), ('ignored_instances', True)):
            packed = sample.get(name, InstanceData())
            masks, boxes = masks_and_boxes(packed, size)
            numbers = packed.get('labels', torch.zeros(0)).tolist()
            for i, number in enumerate(numbers):
                instance = self.recorder.instances[number]
                kind = IGNORED if ignored else _kind(instance)
                text = '' if ignored else self._text(instance)
                mask = None if masks is None else masks[i]
                drawn.append(DrawnInstance(kind, mask, boxes[i], text))
        return drawn

    def _text(self, instance: dict) -> str:
        """Say what is known of an instance beyond its kind."""
        classes = self.dataset.metainfo.get('classes', ())
        name = classes[instance['bbox_label']] if len(classes) > 1 else ''
        if not instance.get('is_pseudo'):
            return name
        weight = instance.get('loss_weight')
        score = f'{name} {instance["pseudo_score"]:.2f}'.strip()
        return score if weight is None else f'{score} x{weight:.2f}'


class _Recorder:
    """A pipeline that remembers the instances it was given.

    Their numbers stand in for their labels, so that an instance that comes out can be
    told, whatever transforms have dropped or reordered.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.instances: list[dict] = []

    def __call__(self, info: dict) -> dict | None:
        self.instances = list(info['instances'])
        numbered = [{**x, 'bbox_label': i} for i, x in enumerate(self.instances)]
        return self.pipeline({**info, 'instances': numbered})


def _dataset_cfg(cfg: Config, split: str) -> ConfigDict:
    check_choice('split', split, SPLITS)
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise ValueError(f'{cfg.filename or "the config"} has no {split}_dataloader')
    if 'pipeline' not in loader.dataset:
        raise ValueError(
            f'{split}_dataloader.dataset ({loader.dataset.type}) has no pipeline of '
            'its own; browse the dataset inside it'
        )
    return loader.dataset


def _loads_annotations(pipeline: Sequence[Mapping[str, Any]]) -> bool:
    return any('LoadAnnotations' in transform['type'] for transform in pipeline)


def _kind(instance: Mapping[str, Any]) -> str:
    if instance.get('is_pseudo'):
        return pseudo_kind(instance['source'])
    return GROUND_TRUTH if instance.get('is_seen', True) else UNSEEN


def _to_rgb(inputs: torch.Tensor) -> np.ndarray:
    """Turn a packed image, (3, H, W) BGR, into (H, W, 3) uint8 RGB."""
    image = inputs.clamp(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(image[::-1].transpose(1, 2, 0))
