"""A tiny open-vocabulary detector on disk, and what its words are worth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmdet_ovis.language.bank_builder import build_text_embedding_bank
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.prompts import TEMPLATES
from mmdet_ovis.language.text_encoders import HashTextEncoder
from mmdet_ovis.structures.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[1]
DIM = 16
ENCODER = f'hash:{DIM}'
WORDS = ('dog', 'traffic cone', 'red mug', 'sky')
KNOWN, UNRELATED = 'known', 'unrelated'


def tiny_model(dim=DIM) -> dict:
    """What makes the FPN network of configs/ovis narrow enough for seconds on a CPU."""
    extractor = dict(out_channels=16, roi_layer=dict(sampling_ratio=1))
    roi_head = dict(
        bbox_roi_extractor=extractor,
        bbox_head=dict(in_channels=16, fc_out_channels=32, embed_dim=dim),
        mask_roi_extractor=extractor,
        mask_head=dict(num_convs=1, in_channels=16, conv_out_channels=16),
    )
    narrow = dict(
        depth=18,
        base_channels=16,
        stem_channels=16,
        frozen_stages=-1,
        init_cfg=None,
    )
    return dict(
        backbone=narrow,
        neck=dict(in_channels=[16, 32, 64, 128], out_channels=16),
        rpn_head=dict(in_channels=16, feat_channels=16),
        roi_head=roi_head,
        test_cfg=dict(rpn=dict(max_per_img=50)),
    )


def tiny_config(score_thr=0.0) -> Config:
    """That network, without text vectors."""
    cfg = Config.fromfile(ROOT / 'configs/ovis/ovis_base-only_r50-fpn_90k_ov-coco.py')
    cfg.merge_from_dict(dict(model=tiny_model()))
    cfg.model.roi_head.bbox_head.embeddings = None
    cfg.model.test_cfg.rcnn.score_thr = score_thr
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (128, 96)
    return cfg


def write_detector(folder: Path, rigged: bool = False) -> tuple[Path, Path]:
    """Write config and weights, random but always the same.

    Args:
        folder (Path): Where to.
        rigged (bool): Every region embeds to ``(ln 9, 0, 0, ...)``.
    """
    cfg = tiny_config()
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        model.init_weights()
    # Far from ties, which rounding would decide.
    for layer in (model.rpn_head.rpn_cls, model.rpn_head.rpn_conv):
        layer.weight.data.normal_(std=0.2)
    projection = model.roi_head.bbox_head.fc_emb
    if rigged:
        projection.weight.data.zero_()
        projection.bias.data.zero_()
        projection.bias.data[0] = math.log(9)
    else:
        projection.weight.data.normal_(std=0.5)
    space = dict(dim=DIM, model_id=f'hash-{DIM}', normalization='both')
    meta = dict(text_space={'roi_head.bbox_head': space})
    torch.save(dict(meta=meta, state_dict=model.state_dict()), folder / 'detector.pth')
    cfg.dump(folder / 'detector.py')
    return folder / 'detector.py', folder / 'detector.pth'


def write_bank(path: Path, words=WORDS, dim=DIM, **changes) -> Path:
    bank = build_text_embedding_bank(
        Vocabulary(tuple(words)), HashTextEncoder(dim), TEMPLATES['single']
    )
    if changes:
        bank = TextEmbeddingBank(
            bank.names, bank.embeddings, **{**_made(bank), **changes}
        )
    bank.save(path)
    return path


def write_axes_bank(path: Path, distractors: int) -> Path:
    """The first word has logit ln 9 with the rigged detector, all others 0."""
    vectors = np.zeros((1 + distractors, DIM), np.float32)
    vectors[0, 0] = 1
    vectors[1:, 1] = 1
    names = (KNOWN, *(f'{UNRELATED} {i}' for i in range(distractors)))
    TextEmbeddingBank(names, vectors, normalization='both').save(path)
    return path


def _made(bank: TextEmbeddingBank) -> dict[str, str]:
    return dict(
        model_id=bank.model_id,
        templates_hash=bank.templates_hash,
        normalization=bank.normalization,
    )


def picture(height=96, width=128, seed=0) -> np.ndarray:
    """A BGR image with a few rectangles, and noise, so that no two places are alike."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(4):
        y, x = rng.integers(0, height // 2), rng.integers(0, width // 2)
        image[y : y + height // 3, x : x + width // 3] = rng.integers(0, 256, 3)
    noise = rng.normal(0, 20, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
