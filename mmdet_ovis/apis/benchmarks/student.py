"""What a training step of a student costs next to one of a plain detector."""

from __future__ import annotations

import copy
import time
from statistics import median

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...engine.vocabulary import set_vocabulary
from ...models import CrossModalPseudoLabel
from ..running import building, load_job_config

_EXAMPLE = 'configs/cmpl/cmpl_student_r50-c4_70k_ov-coco.py'
_BASE, _CAPTION = 48, 1203
"""Classes of COCO's base split, and of LVIS."""


def benchmark_student(
    student: Config,
    plain: Config,
    size: tuple[int, int] = (320, 320),
    batch_size: int = 2,
    words: int = 4,
    objects: int = 4,
    repeats: int = 3,
    device: str = 'cpu',
) -> dict[str, float]:
    """Time training steps of a student, in turns with those of a plain detector.

    Both start from random weights and see the same random images, boxes and words; a
    step is forward, losses, backward and SGD. Words are made up, so their names look
    for regions whatever ``align_with`` says.

    Args:
        student (Config): Of a ``CrossModalPseudoLabel``.
        plain (Config): Of a detector of the same size, such as its teacher.
        size (tuple[int, int]): Height and width of the images, px.
        batch_size (int): Images of a step.
        words (int): Of the captions of an image.
        objects (int): Annotated in an image.
        repeats (int): Turns; medians count.
        device (str): For example ``'cuda'``.

    Returns:
        dict[str, float]: Seconds a step of ``student`` and of ``plain``, on a CPU those
        that this process computed, so that a busy machine does no harm; and
        ``student / plain``.

    Raises:
        ValueError: If a number is not positive, a config has no model, it cannot be
            built or has no vocabulary, or ``student`` is no student.
    """
    if min(*size, batch_size, words, objects, repeats) < 1:
        raise ValueError(
            'size, batch_size, words, objects and repeats have to be 1 or more'
        )
    models = {'student': _build(student, device), 'plain': _build(plain, device)}
    if not isinstance(models['student'], CrossModalPseudoLabel):
        raise ValueError(
            f"the student's model is of type {student.model.type}, not "
            "'CrossModalPseudoLabel'"
        )
    inputs = torch.randn(batch_size, 3, *size, device=device)
    samples = [_sample(size, words, objects, i).to(device) for i in range(batch_size)]
    steps = {name: _Step(model, inputs, samples) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():  # warm up
        step.run()
    for _ in range(repeats):
        for name, step in steps.items():
            seconds[name].append(step.time())
    result = {name: median(values) for name, values in seconds.items()}
    return {**result, 'student / plain': result['student'] / result['plain']}


def _build(cfg: Config, device: str) -> nn.Module:
    cfg = load_job_config(cfg, None, ('model',), _EXAMPLE)
    name = cfg.filename or 'the config'
    torch.manual_seed(0)
    with building(f'model of {name}'):
        model = MODELS.build(_without_weights(cfg.model))
    model.init_weights()
    dims = [m.embed_dim for m in model.modules() if hasattr(m, 'class_vectors')]
    if not dims:
        raise ValueError(
            f'{name}: {type(model).__name__} has no vocabulary; the benchmark compares '
            'detectors with an EmbeddingBBoxHead, such as a student and its teacher'
        )
    names = [f'word {i}' for i in range(_CAPTION)]
    vectors = torch.randn(_CAPTION, dims[0])
    set_vocabulary(model, names[:_BASE], vectors[:_BASE])
    if isinstance(model, CrossModalPseudoLabel):
        model.set_caption_vocabulary(names, embeddings=vectors)
        model.semi_train_cfg['align_with'] = 'name'  # no bank has words made up
    return model.to(device).train()


def _without_weights(cfg):
    """Leave out what would be loaded from a file or downloaded."""
    if isinstance(cfg, dict):
        kept = {
            key: _without_weights(value)
            for key, value in cfg.items()
            if not (key == 'init_cfg' and _is_pretrained(value))
        }
        return type(cfg)(kept)
    return cfg


def _is_pretrained(init_cfg) -> bool:
    return isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained'


class _Step:
    """A training step of one model on one batch."""

    def __init__(
        self, model: nn.Module, inputs: Tensor, samples: list[DetDataSample]
    ) -> None:
        self.model, self.inputs, self.samples = model, inputs, samples
        learnt = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(learnt, lr=1e-6)

    def run(self) -> None:
        """Forward, backward, and a step."""
        samples = copy.deepcopy(self.samples)  # mmdet changes them
        losses, _ = self.model.parse_losses(
            self.model(self.inputs, samples, mode='loss')
        )
        self.optimizer.zero_grad()
        losses.backward()
        self.optimizer.step()

    def time(self) -> float:
        """Seconds on a GPU, seconds of computing on a CPU."""
        clock = time.process_time
        if self.inputs.is_cuda:
            clock = time.perf_counter
            torch.cuda.synchronize()
        start = clock()
        self.run()
        if self.inputs.is_cuda:
            torch.cuda.synchronize()
        return clock() - start


def _sample(
    size: tuple[int, int], words: int, objects: int, seed: int
) -> DetDataSample:
    """An image with boxes of base classes, and words of other names."""
    rng = np.random.default_rng(seed)
    height, width = size
    corners = rng.uniform(0, 0.6, (objects, 2)) * (width, height)
    sides = rng.uniform(0.15, 0.4, (objects, 2)) * (width, height)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    masks = np.zeros((objects, height, width), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = 1
    labels = [_BASE + (seed * words + i) % (_CAPTION - _BASE) for i in range(words)]
    sample = DetDataSample(
        metainfo=dict(
            **dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape'), size),
            batch_input_shape=size,
            scale_factor=(1.0, 1.0),
            caption_words=[f'word {label}' for label in labels],
            caption_labels=labels,
            has_gt=True,
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(rng.integers(0, _BASE, objects)),
        masks=BitmapMasks(masks, height, width),
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return sample
