"""Folders of tiny random text models."""

from __future__ import annotations

import pytest
from tiny_text_models import VISION, build_clip, save_model, size


@pytest.fixture(scope='session')
def clip_folder(tmp_path_factory):
    pytest.importorskip('transformers')
    return build_clip(tmp_path_factory.mktemp('clip'))


@pytest.fixture(scope='session')
def clip_text_folder(tmp_path_factory):
    """The text tower alone."""
    transformers = pytest.importorskip('transformers')
    config = transformers.CLIPTextConfig(**size(projection_dim=6))
    folder = tmp_path_factory.mktemp('clip_text')
    return save_model(folder, 'CLIPTextModelWithProjection', config)


@pytest.fixture(scope='session')
def bert_folder(tmp_path_factory):
    transformers = pytest.importorskip('transformers')
    config = transformers.BertConfig(**size())
    return save_model(tmp_path_factory.mktemp('bert'), 'BertModel', config)


@pytest.fixture(scope='session')
def masked_bert_folder(tmp_path_factory):
    """A masked language model, which has no pooler."""
    transformers = pytest.importorskip('transformers')
    config = transformers.BertConfig(**size())
    return save_model(tmp_path_factory.mktemp('mlm'), 'BertForMaskedLM', config)


@pytest.fixture(scope='session')
def siglip_folder(tmp_path_factory):
    transformers = pytest.importorskip('transformers')
    config = transformers.SiglipConfig(
        text_config=size(projection_size=8), vision_config=VISION
    )
    return save_model(tmp_path_factory.mktemp('siglip'), 'SiglipModel', config)
