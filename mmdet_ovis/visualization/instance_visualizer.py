"""Pictures of detections for detectors that know a single class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures.bbox import get_box_tensor
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from .drawing import distinct_colors
from .instances import (
    GROUND_TRUTH,
    UNSEEN,
    DrawnInstance,
    draw_instances,
    resize_mask,
)


@VISUALIZERS.register_module()
class InstanceVisualizer(DetLocalVisualizer):
    """``DetLocalVisualizer`` that tells instances apart, not classes.

    mmdet colours by class, so the detections of a class-agnostic model all look alike.
    Here each has a colour of its own; ground truth has one colour for seen and one for
    unseen objects. Hooks, backends and ``add_datasample`` are those of mmdet.

    Args:
        name (str): Of the instance, see mmengine's ``ManagerMixin``.
        topk (int): Detections that are drawn, best score first. Defaults to 20.
        **kwargs: Arguments of ``DetLocalVisualizer``; of those about colours and lines
            none has an effect.

    Raises:
        ValueError: If ``topk`` is not positive.
    """

    def __init__(self, name: str = 'visualizer', topk: int = 20, **kwargs) -> None:
        super().__init__(name, **kwargs)
        if topk < 1:
            raise ValueError(f'topk is a number of detections, not {topk}')
        self.topk = topk

    def _draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        classes: Sequence[str] | None,
        palette: Sequence[tuple] | None,
    ) -> np.ndarray:
        """Draw ground truth or, if they have scores, detections."""
        if 'scores' in instances:
            order = instances.scores.argsort(descending=True, stable=True)
            instances = instances[order[: self.topk]]
        masks, boxes = masks_and_boxes(instances, image.shape[:2])
        colors = distinct_colors(len(instances))
        drawn = []
        for i, label in enumerate(instances.labels.tolist()):
            name = classes[label] if classes is not None and len(classes) > 1 else ''
            kind, color, text = GROUND_TRUTH, None, name
            if 'scores' in instances:
                color = tuple(colors[i].tolist())
                text = f'{name} {instances.scores[i]:.2f}'.strip()
            elif 'is_seen' in instances and not instances.is_seen[i]:
                kind = UNSEEN
            mask = None if masks is None else masks[i]
            drawn.append(DrawnInstance(kind, mask, boxes[i], text, color))
        return draw_instances(image, drawn)


def masks_and_boxes(
    instances: InstanceData, size: tuple[int, int]
) -> tuple[list[np.ndarray] | None, list[tuple[float, ...]]]:
    """Bring the masks and boxes of instances to the size of a picture.

    Test pipelines load annotations behind ``Resize``, so masks and image may differ in
    size; boxes belong to the masks.

    Args:
        instances (InstanceData): With ``bboxes`` (n, 4), xyxy, and maybe ``masks``.
        size (tuple[int, int]): Height and width of the picture.

    Returns:
        tuple[list[np.ndarray] | None, list[tuple[float, ...]]]: n masks (height, width)
        bool, None where there are none, and n boxes.
    """
    boxes = get_box_tensor(instances.get('bboxes', torch.zeros(0, 4))).numpy()
    if 'masks' not in instances:
        return None, list(map(tuple, boxes))
    masks = instances.masks
    masks = masks.numpy() if isinstance(masks, torch.Tensor) else masks.to_ndarray()
    height, width = size
    factor = np.array([width, height]) / masks.shape[:0:-1]
    resized = [resize_mask(mask, (width, height)) for mask in masks]
    return resized, list(map(tuple, boxes * np.tile(factor, 2)))
