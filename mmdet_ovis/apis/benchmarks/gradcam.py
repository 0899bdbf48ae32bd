"""What GradCAM costs next to what it cannot do without, and next to the plain way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from ...utils.io import atomic_write_text
from ...utils.pretrained import import_transformers
from ...utils.settings import check_choice
from ...vlm.albef import load_wordpiece
from ...vlm.blip import BlipMatcher

SIZES = {
    'base': dict(width=768, heads=12, image_size=384),
    'small': dict(width=384, heads=6, image_size=384),
    'tiny': dict(width=64, heads=2, image_size=64),
}
"""Like BLIP's ViT-B and BERT-base, and narrower; all are 12 layers deep."""
_LETTERS = 'abcdefghijklmnopqrstuvwxyz'
_VOCAB_SIZE = 30524


def write_random_blip(folder: str | os.PathLike, size: str) -> None:
    """Write a BLIP with random weights, whose word pieces are letters.

    Args:
        folder (str | PathLike): Where to; made if need be.
        size (str): One of ``SIZES``.

    Raises:
        ValueError: If there is no such size.
    """
    check_choice('size', size, SIZES)
    transformers = import_transformers()
    width, heads = SIZES[size]['width'], SIZES[size]['heads']
    common = {
        'hidden_size': width,
        'intermediate_size': 4 * width,
        'num_hidden_layers': 12,
        'num_attention_heads': heads,
    }
    config = transformers.BlipConfig(
        text_config={
            **common,
            'encoder_hidden_size': width,
            'vocab_size': _VOCAB_SIZE,
            'pad_token_id': 0,
            'bos_token_id': _VOCAB_SIZE - 2,
        },
        vision_config={**common, 'image_size': SIZES[size]['image_size']},
    )
    torch.manual_seed(0)
    transformers.BlipForImageTextRetrieval(config).save_pretrained(folder)
    pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *_LETTERS]
    vocab = Path(folder) / 'vocab.txt'
    atomic_write_text(vocab, '\n'.join(pieces) + '\n')
    load_wordpiece(vocab, _VOCAB_SIZE).save_pretrained(folder)


def benchmark_gradcam(
    model: BlipMatcher,
    batch_size: int = 8,
    words: int = 12,
    repeats: int = 3,
) -> dict[str, float]:
    """Time GradCAM for a batch, in turns with what it is compared with.

    Args:
        model (BlipMatcher): The model; random weights will do.
        batch_size (int): Images, each with a caption of its own.
        words (int): One-letter words of a caption.
        repeats (int): Turns; medians count.

    Returns:
        dict[str, float]: Seconds a batch, on a CPU those that this process computed, so
        that a busy machine does no harm: ``gradcam`` of encoded images; ``stack``, one
        forward and one backward pass of the text and fusion stack; ``batched``, image
        tower and GradCAM; ``one_by_one``, the same for one image after the other with
        trainable towers and a full backward pass. ``gradcam / stack`` and
        ``one_by_one / batched`` are the ratios of these.

    Raises:
        ValueError: If a number is not positive.
    """
    if min(batch_size, words, repeats) < 1:
        raise ValueError('batch_size, words and repeats have to be 1 or more')
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn((batch_size, 3, *model.image_size), generator=generator)
    pixels = pixels.to(model.device)
    captions = [
        ' '.join(_LETTERS[(i + k) % len(_LETTERS)] for k in range(words))
        for i in range(batch_size)
    ]
    state, tokens = model.encode(pixels), model.tokenize(captions)
    contestants = {
        'gradcam': lambda: model.activate(state, tokens),
        'stack': lambda: _run_stack(model, state.features, captions),
        'batched': lambda: model.activate(model.encode(pixels), tokens),
        'one_by_one': lambda: _run_one_by_one(model, pixels, captions),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    contestants['gradcam']()  # warm up
    for _ in range(repeats):
        for name, run in contestants.items():
            seconds[name].append(_time(run, model.device))
    result = {name: median(values) for name, values in seconds.items()}
    for over, under in (('gradcam', 'stack'), ('one_by_one', 'batched')):
        result[f'{over} / {under}'] = result[over] / result[under]
    return result


def _run_stack(model: BlipMatcher, features: torch.Tensor, captions: list[str]) -> None:
    """Forward, and backward through every layer to the image."""
    features = features.clone().requires_grad_()
    scores = model.fuse(features, model.tokenize(captions))
    torch.autograd.grad(scores[:, 1].sum(), features)


def _run_one_by_one(
    model: BlipMatcher, pixels: torch.Tensor, captions: list[str]
) -> None:
    """The plain way: a full backward pass an image, into parameters as well."""
    model.requires_grad_(True)
    for image, caption in zip(pixels, captions, strict=True):
        features = model.network.vision_model(image[None]).last_hidden_state
        model.fuse(features, model.tokenize([caption]))[0, 1].backward()
        model.zero_grad()
    model.requires_grad_(False)


def _time(run: Callable[[], object], device: torch.device) -> float:
    """Seconds on a GPU, seconds of computing on a CPU."""
    clock = time.process_time if device.type == 'cpu' else time.perf_counter
    start = clock()
    run()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return clock() - start
