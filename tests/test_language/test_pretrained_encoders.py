import os
import shutil
import sys

import numpy as np
import pytest
import torch

from mmdet_ovis.language.bank_builder import build_text_embedding_bank
from mmdet_ovis.language.captions import clean_caption
from mmdet_ovis.language.noun_parser import NounParser
from mmdet_ovis.language.pretrained_encoders import (
    BertWordPieceEncoder,
    ClipTextEncoder,
    TransformersTextEncoder,
)
from mmdet_ovis.language.prompts import load_templates
from mmdet_ovis.language.text_encoders import EncoderChoice
from mmdet_ovis.structures.vocabulary import Vocabulary

TEXTS = ['a photo of a dog', 'cat', 'a black and brown dog on grass']


def padding_does_not_matter(encoder):
    """A text alone and beside longer ones."""
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert together.dtype == np.float32
    assert together.shape == (3, encoder.dim)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    return together


def test_clip_gives_projected_vectors(clip_folder):
    transformers = pytest.importorskip('transformers')
    encoder = ClipTextEncoder(clip_folder)
    assert encoder.dim == 6
    assert encoder.model_id == str(clip_folder)
    vectors = padding_does_not_matter(encoder)
    network = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(clip_folder)(
        TEXTS[2], return_tensors='pt', return_token_type_ids=False
    )
    with torch.no_grad():
        hidden = network.text_model(**tokens).last_hidden_state[0]
        # The vector of the last token, behind which there is nothing.
        expected = network.text_projection(hidden[-1])
    np.testing.assert_allclose(vectors[2], expected, rtol=1e-4, atol=1e-5)


def test_clip_text_tower_alone(clip_text_folder):
    encoder = ClipTextEncoder(clip_text_folder)
    padding_does_not_matter(encoder)
    assert not any(p.requires_grad for p in encoder._network.parameters())


def test_long_texts_are_cut(clip_folder):
    encoder = ClipTextEncoder(clip_folder)
    vectors = encoder.encode(['dog ' * 13 + 'cat', 'dog ' * 14, 'dog ' * 40])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[1], vectors[2], rtol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


@pytest.mark.parametrize('folder', ['bert_folder', 'masked_bert_folder'])
def test_word_pieces_are_averaged(folder, request):
    """Special tokens and padding never count."""
    transformers = pytest.importorskip('transformers')
    folder = request.getfixturevalue(folder)
    encoder = BertWordPieceEncoder(folder)
    table = transformers.AutoModel.from_pretrained(folder).get_input_embeddings().weight
    skate, board, dog = table.detach().numpy()[[11, 12, 10]]
    vectors = encoder.encode(['skateboard', 'Dog', 'dog skateboard'])
    np.testing.assert_array_equal(vectors[0], (skate + board) / 2)
    np.testing.assert_array_equal(vectors[1], dog)
    np.testing.assert_allclose(vectors[2], (dog + skate + board) / 3, rtol=1e-6)
    np.testing.assert_array_equal(encoder.encode(['skateboard'])[0], vectors[0])
    assert (encoder.dim, encoder.model_id) == (8, f'{folder}#word-pieces')


def test_cmpl_case_3_mean_of_static_rows_in_a_bank(bert_folder):
    """Of a word of two pieces, alone or beside longer texts; no special token."""
    transformers = pytest.importorskip('transformers')
    network = transformers.AutoModel.from_pretrained(bert_folder)
    rows = network.get_input_embeddings().weight.detach().numpy()
    choice = EncoderChoice('bert', str(bert_folder), batch_size=2)
    made = [
        build_text_embedding_bank(
            Vocabulary.parse(text),
            choice,
            load_templates(choice.templates),
            choice.normalization,
        )
        for text in ('skateboard', 'dog skateboard dog. skateboard. dog')
    ]
    for bank in made:
        np.testing.assert_array_equal(
            bank.select(['skateboard'])[0], (rows[11] + rows[12]) / 2
        )
    np.testing.assert_array_equal(made[1].select(['dog'])[0], rows[10])


def test_a_text_without_word_piece_is_named(bert_folder):
    with pytest.raises(ValueError, match=r"finds no word piece in '\\u200b'"):
        BertWordPieceEncoder(bert_folder).encode(['\u200b'])


def test_mean_of_hidden_states(bert_folder):
    transformers = pytest.importorskip('transformers')
    vectors = padding_does_not_matter(TransformersTextEncoder(bert_folder))
    network = transformers.AutoModel.from_pretrained(bert_folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(bert_folder)(
        TEXTS[1], return_tensors='pt'
    )
    with torch.no_grad():
        expected = network(**tokens).last_hidden_state[0].mean(0)
    np.testing.assert_allclose(vectors[1], expected, rtol=1e-4, atol=1e-5)


def test_pooled_output(bert_folder, clip_folder):
    for folder in (bert_folder, clip_folder):
        padding_does_not_matter(TransformersTextEncoder(folder, pooling='pooled'))


def test_projected_is_what_clip_gives(clip_folder):
    encoder = TransformersTextEncoder(clip_folder, pooling='projected')
    expected = ClipTextEncoder(clip_folder).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=1e-5, atol=1e-6)


def test_siglip_sees_full_padding(siglip_folder):
    transformers = pytest.importorskip('transformers')
    encoder = TransformersTextEncoder(siglip_folder, pooling='projected')
    vectors = padding_does_not_matter(encoder)
    network = transformers.AutoModel.from_pretrained(siglip_folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(siglip_folder)(
        TEXTS, padding='max_length', max_length=16, return_tensors='pt'
    )
    with torch.no_grad():
        features = network.get_text_features(tokens['input_ids'])
    expected = getattr(features, 'pooler_output', features)
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    padding_does_not_matter(TransformersTextEncoder(siglip_folder))


@pytest.mark.parametrize(
    ('folder', 'pooling', 'message'),
    [
        ('bert_folder', 'projected', "pooling 'projected' does not apply; use 'mean'"),
        ('bert_folder', 'max', "pooling is one of mean, pooled, projected, not 'max'"),
        ('masked_bert_folder', 'pooled', r'lacks parameters of AutoModel.*pooler'),
    ],
)
def test_poolings_that_do_not_fit(folder, pooling, message, request):
    with pytest.raises(ValueError, match=message):
        TransformersTextEncoder(request.getfixturevalue(folder), pooling=pooling)


@pytest.mark.parametrize('kind', ['clip', 'transformers'])
def test_a_choice_makes_a_bank(kind, clip_folder):
    choice = EncoderChoice(kind, str(clip_folder), batch_size=2)
    assert choice().model_id == choice.model_id
    bank = build_text_embedding_bank(Vocabulary.parse('dog. cat|black cat'), choice)
    assert bank.meta['model_id'] == choice.model_id
    np.testing.assert_allclose(np.linalg.norm(bank.embeddings, axis=1), 1, rtol=1e-5)


def test_missing_weights_name_the_model_and_the_alternative(bert_folder, tmp_path):
    alternative = r'A text embedding bank that was made elsewhere does without it'
    nowhere = str(tmp_path / 'nowhere')
    for build in (ClipTextEncoder, BertWordPieceEncoder, TransformersTextEncoder):
        with pytest.raises(
            ValueError, match=rf"encoder '{nowhere}': no such.*{alternative}"
        ):
            build(nowhere)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=rf'no config\.json.*{alternative}'):
        ClipTextEncoder(tmp_path / 'empty')
    with pytest.raises(ValueError, match=r"model of type 'bert'.* needs 'clip' or"):
        ClipTextEncoder(bert_folder)


def test_incomplete_weights_are_refused(clip_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(clip_folder, tmp_path / 'clip')
    path = folder / 'model.safetensors'
    state = load_file(path)
    del state['text_projection.weight']
    save_file(state, path, metadata={'format': 'pt'})
    with pytest.raises(ValueError, match=r'lacks parameters .*text_projection\.weight'):
        ClipTextEncoder(folder)


class _Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_weights_are_not_unpickled(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / 'clip')
    (folder / 'model.safetensors').unlink()
    marker = tmp_path / 'it_went_off'
    torch.save({'weight': _Bomb(marker)}, folder / 'pytorch_model.bin')
    with pytest.raises(ValueError, match='holds more than weights'):
        ClipTextEncoder(folder)
    assert not marker.exists()


def test_hub_names_respect_offline_mode(monkeypatch):
    hub = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(hub, 'HF_HUB_OFFLINE', True)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(
        ValueError, match="cannot load the text encoder 'nobody/nothing'"
    ):
        EncoderChoice('clip', 'nobody/nothing')()


@pytest.mark.parametrize('kind', ['clip', 'bert', 'transformers'])
def test_missing_transformers_is_named(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(
        ValueError, match=r'a text encoder needs transformers.*pip install'
    ):
        EncoderChoice(kind, 'a/model')()


def test_case_1_word_piece_span(bert_folder):
    """With ``[CLS]`` at position 0, 'dog' is token 5 of the caption."""
    transformers = pytest.importorskip('transformers')
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert_folder)
    caption = clean_caption('A black and brown dog laying on a grass-covered ground...')
    (phrase,) = NounParser(Vocabulary(('dog',)), match='first')(caption)
    offsets = tokenizer(caption, return_offsets_mapping=True)['offset_mapping']
    tokens = [
        i
        for i, (start, end) in enumerate(offsets)
        if start < phrase.end and end > phrase.start
    ]
    assert tokens == [5]
    skateboard = NounParser(Vocabulary(('skateboard',)))('a skateboard')[0]
    offsets = tokenizer('a skateboard', return_offsets_mapping=True)['offset_mapping']
    inside = [
        start < skateboard.end and end > skateboard.start for start, end in offsets
    ]
    assert inside == [False, False, True, True, False]
