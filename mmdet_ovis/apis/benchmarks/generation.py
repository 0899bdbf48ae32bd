"""Generation next to the same done plainly: one image, one word, one crop at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ...datasets.openshapes import CATEGORIES, OpenShapesConfig, make_openshapes
from ...pseudo_labels.sources import GradCamEvidence
from ...vlm.base import ImageState
from ...vlm.blip import BlipMatcher
from ...vlm.cross_attention import TextTokens, TokenActivation, recorded
from ...vlm.gradcam import gradcam
from ..extraction.collecting import no_progress
from ..generation import generate_pseudo_masks
from ..generation.setup import build_generation, load_generation_config

IMAGE_SIZE = 256
PLAIN_SIDE = 256
"""Crops at the size to which the code of Mask-free OVIS stretches images, px."""


class PlainBlip(BlipMatcher):
    """GradCAM as it is written down first: everything learns, one backward pass a call.

    The gradient of all weights of both towers is computed, though nobody asks for it.
    """

    def encode(self, pixels: Tensor) -> ImageState:
        """Run the image tower, and keep its graph."""
        self.requires_grad_(True)
        with torch.enable_grad():
            return ImageState(
                self.network.vision_model(pixels).last_hidden_state, self.grid
            )

    def activate(
        self, state: ImageState, tokens: TextTokens, block: int | None = None
    ) -> TokenActivation:
        """Run GradCAM by a full backward pass."""
        with torch.enable_grad(), recorded(self.cross_attentions[self.block]) as kept:
            scores = self.fuse(state.features, tokens)
            kept[0].retain_grad()
            scores[:, 1].sum().backward()
        maps = gradcam(kept[0].detach(), kept[0].grad, tokens.mask, state.grid)
        self.zero_grad()
        scores = scores.detach()
        return TokenActivation(maps, scores[:, 1], scores.softmax(dim=-1)[:, 1])


def make_captioned_images(folder: Path, number: int) -> Config:
    """Make images with captions, and the part of a generation config that names them.

    Args:
        folder (Path): Where to.
        number (int): Images, at least 1.

    Raises:
        ValueError: If the number is not positive.
    """
    if number < 1:
        raise ValueError(f'need at least one image, not {number}')
    config = OpenShapesConfig(num_train=number, num_val=0, image_size=IMAGE_SIZE)
    made = make_openshapes(folder, config, workers=1)
    return Config(
        dict(
            vocabulary=list(CATEGORIES),
            captions=dict(
                ann_file=str(made.paths.annotations('captions', 'train')),
                img_dir=str(made.paths.images('train')),
            ),
        )
    )


def benchmark_generation(
    folder: str | Path,
    checkpoint: str | Path,
    number: int = 8,
    workers: int = 2,
    segmenter: Mapping[str, Any] | None = None,
    plain_side: int = PLAIN_SIDE,
) -> dict[str, dict[str, float]]:
    """Time generation on BLIP with selective search, both ways, on the same images.

    Plainly, each word of each image is searched alone and by a full backward pass, and
    each crop is cut out at its full size (up to ``plain_side`` pixels), by one network
    after the other, in one process. Both run on the CPU, also where there is a GPU.

    Args:
        folder (str | Path): For images and results.
        checkpoint (str | Path): Folder or hub name of a BLIP; random weights will do.
        number (int): Images.
        workers (int): Processes of the generation.
        segmenter (Mapping, optional): Config of the segmenter of both. Defaults to
            None: that of the default preset, plainly as above.
        plain_side (int): Longer side of the plain crops, px. With 64, generation and
            the plain way solve the same problems.

    Returns:
        dict[str, dict[str, float]]: ``generation`` and ``plain``: seconds an image by
        step, summed over processes, and ``total`` on the clock; ``ratio``: of the
        totals.
    """
    folder = Path(folder)
    cfg = make_captioned_images(folder / 'images', number)
    cfg.vlm = dict(type='BlipMatcher', checkpoint=str(checkpoint))
    cfg.source = dict(
        type='GradCamSource', proposals=dict(type='SelectiveSearchProposals')
    )
    if segmenter is not None:
        cfg.source.segmenter = dict(segmenter)
    start = time.perf_counter()
    summary = generate_pseudo_masks(
        cfg,
        folder / 'masks.json',
        workers=workers,
        device='cpu',
        progress=no_progress,
    )
    fast = {**summary.seconds, 'total': time.perf_counter() - start}
    slow = _generate_plainly(cfg, checkpoint, plain_side)
    return {
        'generation': {step: s / number for step, s in fast.items()},
        'plain': {step: s / number for step, s in slow.items()},
        'ratio': {'total': slow['total'] / fast['total']},
    }


def _generate_plainly(
    cfg: Config, checkpoint: str | Path, side: int
) -> dict[str, float]:
    plain = cfg.copy()
    plain.search = dict(type='IterativeMasking', batch_size=1)
    plain.source.setdefault(
        'segmenter',
        dict(type='ClusteringSegmenter', max_side=side, batch_pixels=1),
    )
    parts = build_generation(load_generation_config(plain), device='cpu')
    model = PlainBlip(checkpoint)
    seconds: dict[str, float] = {'vlm': 0.0}
    start = time.perf_counter()
    for position in range(len(parts.reader.images)):
        sample = parts.reader.read(position)
        looked = time.perf_counter()
        found = []
        for query in sample.queries:
            for phrase in query.phrases:
                (activations,) = parts.search(
                    model, [sample.image], [query.caption], [[phrase]]
                )
                found += activations
        seconds['vlm'] += time.perf_counter() - looked
        output = parts.source.annotate(
            GradCamEvidence(
                sample.image_id,
                sample.image.shape[:2],
                image=sample.image,
                activations=found,
                file_name=sample.file_name,
            )
        )
        for step, spent in output.seconds.items():
            seconds[step] = seconds.get(step, 0.0) + spent
    return {**seconds, 'total': time.perf_counter() - start}
