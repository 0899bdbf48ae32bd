"""Folders of tiny random models, images and phrases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import (
    CAPTIONS,
    albef_checkpoint,
    build_blip,
    find_phrase,
    randomize,
    save_byte_pairs,
    write_vocabulary,
)


@pytest.fixture
def phrases():
    return [
        [find_phrase(CAPTIONS[0], text) for text in ('dog', 'red sofa', 'sofa')],
        [],
        [find_phrase(CAPTIONS[2], 'skateboard')],
    ]


@pytest.fixture
def images():
    """Three BGR images of different sizes."""
    rng = np.random.default_rng(0)
    sizes = ((40, 60), (64, 64), (90, 33))
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.fixture(scope='session')
def blip_folder(tmp_path_factory):
    return build_blip(tmp_path_factory.mktemp('blip'))


@pytest.fixture(scope='session')
def bridgetower_folder(tmp_path_factory):
    """Towers of four layers, the last three of which are fused, 32 pixels."""
    import transformers

    folder = tmp_path_factory.mktemp('bridgetower')
    tokenizer = save_byte_pairs(folder, ('<s>', '<pad>', '</s>'), at_end=False)
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = dict(hidden_size=64, num_hidden_layers=4, image_size=32, patch_size=8)
    config = transformers.BridgeTowerConfig(
        text_config=text,
        vision_config=vision,
        hidden_size=32,
        num_attention_heads=4,
        num_hidden_layers=3,
    )
    network = transformers.BridgeTowerForImageAndTextRetrieval(config)
    randomize(network).save_pretrained(folder)
    return folder


@pytest.fixture(scope='session')
def clip_folder(tmp_path_factory):
    import transformers

    folder = tmp_path_factory.mktemp('clip')
    specials = ('<|startoftext|>', '<pad>', '<|endoftext|>')
    tokenizer = save_byte_pairs(folder, specials, at_end=True)
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = dict(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=16
    )
    randomize(transformers.CLIPModel(config)).save_pretrained(folder)
    return folder


@pytest.fixture(scope='session')
def blip(blip_folder):
    from mmdet_ovis.vlm.blip import BlipMatcher

    return BlipMatcher(blip_folder, block=1)


@pytest.fixture(scope='session')
def albef_folder(tmp_path_factory):
    """``albef.pth`` and ``vocab.txt``."""
    folder = tmp_path_factory.mktemp('albef')
    torch.save(albef_checkpoint(), folder / 'albef.pth')
    write_vocabulary(folder / 'vocab.txt')
    return folder
