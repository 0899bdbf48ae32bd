"""The small image-text model of OpenShapes trains, and says where words are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS

from mmdet_ovis.apis.demos.commands import config_path
from mmdet_ovis.apis.running import build_runner, load_config
from mmdet_ovis.datasets.captions import read_captions
from mmdet_ovis.datasets.openshapes import CATEGORIES
from mmdet_ovis.language.word_pieces import write_word_pieces
from mmdet_ovis.structures.phrase import Phrase


@pytest.fixture(scope='module')
def trained(openshapes, tmp_path_factory):
    """A folder with word pieces and the checkpoint of one epoch."""
    folder = tmp_path_factory.mktemp('image_text')
    annotations = openshapes / 'annotations'
    captions = annotations / 'captions_train.json'
    texts = [text for each in read_captions(captions).values() for text in each]
    write_word_pieces(folder / 'word_pieces.txt', [*texts, *CATEGORIES])
    words = str(annotations / 'instances_train.json')
    path = config_path('image_text')
    cfg = load_config(path)
    cfg.model.update(vocab=str(folder / 'word_pieces.txt'), words=words)
    cfg.train_dataloader.update(batch_size=4, num_workers=0, persistent_workers=False)
    dataset = cfg.train_dataloader.dataset
    dataset.update(data_root=str(openshapes), vocabulary=words)
    (sampling,) = (x for x in dataset.pipeline if x.type == 'SampleCaptionTexts')
    sampling.update(ann_file=str(captions), vocabulary=words)
    cfg.train_cfg.max_epochs = 1
    cfg.param_scheduler = None
    runner = build_runner(cfg, path, str(folder), 'none')
    runner.train()
    losses, _ = runner.message_hub.get_scalar('train/loss').data
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    return folder


def test_generation_looks_with_what_was_trained(trained):
    vlm = load_config(config_path('ovis_generate')).vlm
    vlm.update(
        vocab=str(trained / 'word_pieces.txt'), checkpoint=str(trained / 'epoch_1.pth')
    )
    model = MODELS.build(vlm)
    caption = 'A disc above a star.'
    phrases = [Phrase('disc', 'disc', 2, 6), Phrase('star', 'star', 15, 19)]
    images = [np.zeros((96, 96, 3), np.uint8), np.full((96, 96, 3), 200, np.uint8)]
    state = model.encode(model.preprocess(images))
    found = model.phrase_maps(state, [caption] * 2, [phrases, phrases[:1]])
    assert [maps.shape for maps in found.maps] == [(2, 24, 24), (1, 24, 24)]
    assert all(torch.isfinite(maps).all() for maps in found.maps)
    assert ((found.p_match >= 0) & (found.p_match <= 1)).all()
