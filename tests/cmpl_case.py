"""A tiny student with its teacher, and samples with words."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from ov_case import DIM, tiny_config

from mmdet_ovis.models.detectors import CrossModalPseudoLabel
from mmdet_ovis.models.roi_heads import CMPLRoIHead
from mmdet_ovis.models.roi_heads.mask_heads import NoisyFCNMaskHead

BASE = ('person', 'car')
CAPTION = ('aerosol can', 'person', 'dog', 'cat', 'bus')
HEIGHT, WIDTH = 96, 128
NAMES = dict(man='person', couch='cat', sofa='cat')
"""What words stand for that are no names themselves."""


def vectors(names: Sequence[str]) -> torch.Tensor:
    """Text vectors, the same for a name whenever it is asked for."""
    return torch.stack(
        [
            torch.randn(DIM, generator=torch.Generator().manual_seed(sum(map(ord, n))))
            for n in names
        ]
    )


@functools.cache
def _parsed() -> Config:
    return tiny_config()


def detector_config(**roi_head) -> dict:
    """The FPN network of configs/ovis, narrow, with what CMPL needs.

    Args:
        **roi_head: Changes of the RoI head, merged into it.
    """
    cfg = copy.deepcopy(_parsed())
    cfg.model.roi_head.type = 'CMPLRoIHead'
    cfg.model.roi_head.mask_head.type = 'NoisyFCNMaskHead'
    cfg.model.train_cfg.rpn_proposal.max_per_img = 60
    cfg.model.train_cfg.rcnn.sampler.num = 32
    cfg.merge_from_dict(dict(model=dict(roi_head=roi_head)))
    return cfg.model


def make_model(
    seed: int = 0, roi_head: dict | None = None, **options
) -> CrossModalPseudoLabel:
    """Build a model with both vocabularies, initialised as from one checkpoint."""
    torch.manual_seed(seed)
    detector = detector_config(**(roi_head or {}))
    model = MODELS.build(
        dict(type='CrossModalPseudoLabel', detector=detector, **options)
    )
    model.init_weights()
    head = model.student.roi_head.bbox_head
    head.fc_emb.weight.data.normal_(std=0.5)
    # Far from ties, which rounding would decide.
    for layer in (model.student.rpn_head.rpn_cls, model.student.rpn_head.rpn_conv):
        layer.weight.data.normal_(std=0.2)
    model.teacher.roi_head.load_state_dict(model.student.roi_head.state_dict())
    for one in (head, model.teacher.roi_head.bbox_head):
        one.set_vocabulary(BASE, vectors(BASE))
    model.set_caption_vocabulary(CAPTION, embeddings=vectors(CAPTION))
    model.data_preprocessor.eval()
    return model.train()


def make_sample(
    words: Sequence[str] = (),
    boxes: Sequence[Sequence[float]] | None = ((10.0, 8.0, 60.0, 50.0),),
    labels: Sequence[int] | None = None,
) -> DetDataSample:
    """Make a sample.

    Args:
        words: Words of its captions; each is its own name but for those of ``NAMES``.
        boxes: Annotated objects; none: nothing to see; None: nobody annotated it.
        labels: Of the objects; of the first class if None.
    """
    names = [NAMES.get(word, word) for word in words]
    shape = (HEIGHT, WIDTH)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape,
            scale_factor=(1.0, 1.0), img_id=1, img_path='a.jpg',
            caption_words=list(words),
            caption_labels=[CAPTION.index(name) for name in names],
            has_gt=boxes is not None,
        )
    )  # fmt: skip
    boxes = boxes or ()
    masks = np.zeros((len(boxes), *shape), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes).float().view(-1, 4),
        labels=torch.tensor(labels or [0] * len(boxes)).long(),
        masks=BitmapMasks(masks, *shape),
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return sample


def images(number: int, seed: int = 0) -> torch.Tensor:
    """Make a batch of inputs (number, 3, HEIGHT, WIDTH)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 3, HEIGHT, WIDTH, generator=generator)


def compute_losses(
    model: CrossModalPseudoLabel,
    inputs: torch.Tensor,
    samples: Sequence[DetDataSample],
) -> dict[str, torch.Tensor]:
    """Losses of a batch, from copies of the samples: mmdet changes them."""
    return model(inputs, copy.deepcopy(list(samples)), mode='loss')


def total(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    """What training differentiates."""
    return sum(loss.sum() for name, loss in losses.items() if 'loss' in name)


def fix_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sampling and noise such that they do not depend on the batch."""
    monkeypatch.setattr(
        RandomSampler, 'random_choice', lambda self, gallery, num: gallery[:num]
    )
    pattern = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    noisy_loss = NoisyFCNMaskHead.noisy_loss

    def with_noise(self, x, targets, noise=None):
        return noisy_loss(self, x, targets, pattern.expand(-1, len(x), -1, -1))

    monkeypatch.setattr(NoisyFCNMaskHead, 'noisy_loss', with_noise)


@contextmanager
def counted(head: CMPLRoIHead) -> Iterator[dict[str, list[tuple[int, int]]]]:
    """Within this context, count samples and positives of each image.

    Gives a list for ``'sup'`` and one for ``'pseudo'``.
    """
    numbers = dict(sup=[], pseudo=[])
    samplers = dict(sup=head.bbox_sampler, pseudo=head.pseudo_sampler)

    def counting(of_kind: list, sample: Callable) -> Callable:
        def count(*args, **kwargs):
            result = sample(*args, **kwargs)
            of_kind.append((len(result.priors), len(result.pos_priors)))
            return result

        return count

    for kind, sampler in samplers.items():
        sampler.sample = counting(numbers[kind], sampler.sample)
    try:
        yield numbers
    finally:
        for sampler in samplers.values():
            del sampler.sample


def combine(
    losses: Sequence[dict[str, float]], numbers: dict[str, list[tuple[int, int]]]
) -> dict[str, float]:
    """Losses of a batch from those of its images.

    Classes and boxes are means over the samples, masks over the positives.

    Args:
        losses: Of each image, not weighed by the noise.
        numbers: What :func:`counted` gave for these images.
    """
    together = {}
    for kind, of_kind in numbers.items():
        for name, place in (('loss_cls', 0), ('loss_bbox', 0), ('loss_mask', 1)):
            key = f'{kind}_{name}'
            shares = [pair[place] for pair in of_kind]
            products = (
                share * of_image[key]
                for share, of_image in zip(shares, losses, strict=True)
            )
            together[key] = sum(products) / sum(shares)
    return together
