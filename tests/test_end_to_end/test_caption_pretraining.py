"""From captions to the trunk of an open-vocabulary detector, on a few images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

from mmdet_ovis.apis.demos.commands import config_path
from mmdet_ovis.apis.running import build_runner, load_config
from mmdet_ovis.datasets.openshapes import CATEGORIES
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.text_encoders import HashTextEncoder


@pytest.fixture(scope='module')
def pretrained(openshapes, tmp_path_factory):
    """The checkpoint of a short pretraining, and its losses."""
    folder = tmp_path_factory.mktemp('pretraining')
    names = tuple(CATEGORIES)
    bank = TextEmbeddingBank(names, HashTextEncoder(128).encode(names))
    bank.save(folder / 'bank.npz')
    path = config_path('cmpl_pretrain')
    cfg = load_config(path)
    cfg.model.tokens.embeddings = str(folder / 'bank.npz')
    cfg.train_dataloader.update(batch_size=6, num_workers=0, persistent_workers=False)
    dataset = cfg.train_dataloader.dataset
    dataset.data_root = str(openshapes)
    (resize,) = (step for step in dataset.pipeline if step.type == 'Resize')
    resize.scale = (64, 64)
    cfg.train_cfg.max_epochs = 15
    cfg.param_scheduler = None
    cfg.default_hooks.checkpoint.interval = 15
    cfg.randomness = dict(seed=0)
    runner = build_runner(cfg, path, str(folder / 'work'), 'none')
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    return folder / 'work' / 'epoch_15.pth', losses


def test_the_loss_falls(pretrained):
    _, losses = pretrained
    assert len(losses) == 30
    assert np.isfinite(losses).all()
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:6])


def test_the_teacher_starts_from_what_was_learnt(pretrained):
    checkpoint, _ = pretrained
    init_default_scope('mmdet')
    teacher = MODELS.build(load_config(config_path('cmpl_teacher')).model)
    load_checkpoint(teacher, str(checkpoint), map_location='cpu')
    learnt = torch.load(checkpoint, weights_only=False)['state_dict']
    state = teacher.state_dict()
    taken = {'backbone', 'neck', 'roi_head.bbox_head.fc_emb'}
    assert {part for part in taken if any(k.startswith(part) for k in learnt)} == taken
    for name, value in learnt.items():
        assert torch.equal(state[name], value), name
