"""ALBEF: the layout of its published checkpoint, and its networks against others."""

from __future__ import annotations

import os

import pytest
import torch
from tiny_models import CAPTIONS, albef_checkpoint

from mmdet_ovis.utils.checkpoint import CheckpointError
from mmdet_ovis.vlm.albef import AlbefMatcher, load_albef, load_wordpiece
from mmdet_ovis.vlm.albef_network import AlbefNetwork, AlbefSizes

SIZES = AlbefSizes(
    image_size=32,
    patch_size=8,
    vision_dim=24,
    vision_depth=2,
    vision_hidden=32,
    text_dim=16,
    text_depth=3,
    text_hidden=20,
    fusion_layer=3,
    vocab_size=30,
    max_tokens=16,
    num_heads=2,
)
IDS = torch.tensor([[2, 7, 8, 9, 10], [2, 11, 12, 0, 0]])
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])


def randomized(network):
    torch.manual_seed(0)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return network.eval()


@pytest.fixture
def albef(albef_folder):
    return AlbefMatcher(
        albef_folder / 'albef.pth', albef_folder / 'vocab.txt', block=2, num_heads=2
    )


def test_sizes_are_read_from_the_checkpoint(albef_folder):
    sizes = load_albef(albef_folder / 'albef.pth', num_heads=2).sizes
    assert sizes == AlbefSizes(
        image_size=32,
        patch_size=8,
        vision_dim=24,
        vision_depth=2,
        vision_hidden=48,
        text_dim=16,
        text_depth=4,
        text_hidden=20,
        fusion_layer=2,
        vocab_size=40,
        max_tokens=16,
        num_heads=2,
    )


def test_published_sizes_are_the_defaults():
    with torch.device('meta'):
        network = AlbefNetwork(AlbefSizes())
    state = network.state_dict()
    assert state['visual_encoder.pos_embed'].shape == (1, 257, 768)
    assert 'text_encoder.encoder.layer.5.crossattention.self.key.weight' not in state
    assert 'text_encoder.encoder.layer.6.crossattention.self.key.weight' in state


def test_weights_arrive_where_they_belong(albef_folder):
    state = albef_checkpoint()['model']
    loaded = load_albef(albef_folder / 'albef.pth', 2).state_dict()
    for ours, theirs in (
        ('visual_encoder.blocks.1.attn.qkv.weight',) * 2,
        ('itm_head.bias',) * 2,
        (
            'text_encoder.encoder.layer.3.crossattention.self.key.weight',
            'text_encoder.bert.encoder.layer.3.crossattention.self.key.weight',
        ),
    ):
        assert torch.equal(loaded[ours], state[theirs])


def test_fine_tuned_checkpoints_have_no_bert_in_their_names(tmp_path, albef_folder):
    content = albef_checkpoint()
    content['model'] = {
        key.replace('.bert.', '.'): value for key, value in content['model'].items()
    }
    torch.save(content, tmp_path / 'retrieval.pth')
    one, two = (
        load_albef(path, 2).state_dict()
        for path in (tmp_path / 'retrieval.pth', albef_folder / 'albef.pth')
    )
    assert all(torch.equal(one[key], two[key]) for key in two)


def test_captions_begin_with_cls_and_do_not_end_with_sep(albef):
    tokens = albef.tokenize(['a dog', 'a black cat'])
    pieces = [albef.tokenizer.convert_ids_to_tokens(row.tolist()) for row in tokens.ids]
    assert pieces == [['[CLS]', 'a', 'dog', '[PAD]'], ['[CLS]', 'a', 'black', 'cat']]
    assert tokens.mask.tolist() == [[True, True, True, False], [True] * 4]
    assert tokens.offsets[0].tolist() == [[0, 0], [0, 1], [2, 5], [0, 0]]


def test_blocks_without_cross_attention_are_refused(albef_folder):
    files = (albef_folder / 'albef.pth', albef_folder / 'vocab.txt')
    for block, message in (
        (1, 'block 1 has no cross-attention; take 2 to 2'),
        (3, 'block 3 is the last one'),
        (8, 'block 8 is not one of the 4'),
    ):
        with pytest.raises(ValueError, match=message):
            AlbefMatcher(*files, block=block, num_heads=2)


def test_larger_images(albef_folder, images):
    model = AlbefMatcher(
        *(albef_folder / 'albef.pth', albef_folder / 'vocab.txt'),
        block=2,
        num_heads=2,
        image_size=(32, 64),
    )
    assert model.encode(model.preprocess(images)).features.shape == (3, 33, 24)
    with pytest.raises(ValueError, match='not a multiple of the patches'):
        AlbefMatcher(
            *(albef_folder / 'albef.pth', albef_folder / 'vocab.txt'),
            block=2,
            num_heads=2,
            image_size=30,
        )


def test_text_layers_are_those_of_bert():
    from transformers import BertConfig, BertModel

    ours = randomized(AlbefNetwork(SIZES)).text_encoder
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=16,
    )
    theirs = BertModel(config, add_pooling_layer=False).eval()
    theirs.load_state_dict(ours.state_dict())
    expected = theirs(IDS, attention_mask=MASK.long()).last_hidden_state
    found = ours(IDS, MASK, torch.zeros(2, 1, 24))
    torch.testing.assert_close(found[MASK], expected[MASK], atol=1e-5, rtol=1e-4)


def test_fusion_layers_are_those_of_blip():
    """BLIP attends to the image in all layers, and knows no type of segment."""
    from transformers import BlipTextConfig
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    sizes = AlbefSizes(**{**vars(SIZES), 'fusion_layer': 0})
    ours = randomized(AlbefNetwork(sizes)).text_encoder
    torch.nn.init.zeros_(ours.embeddings.token_type_embeddings.weight)
    config = BlipTextConfig(
        vocab_size=30,
        hidden_size=16,
        encoder_hidden_size=24,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=16,
        pad_token_id=0,
        bos_token_id=2,
        sep_token_id=3,
        eos_token_id=3,
        projection_dim=8,
    )
    theirs = BlipTextModel(config, add_pooling_layer=False).eval()
    state = ours.state_dict()
    del state['embeddings.token_type_embeddings.weight']
    theirs.load_state_dict(state)
    image = torch.randn(2, 7, 24)
    expected = theirs(
        IDS, attention_mask=MASK.long(), encoder_hidden_states=image
    ).last_hidden_state
    found = ours(IDS, MASK, image)
    torch.testing.assert_close(found[MASK], expected[MASK], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('side', [32, 48])
def test_image_tower_is_that_of_blip(side):
    from transformers import BlipVisionConfig, BlipVisionModel

    ours = randomized(AlbefNetwork(SIZES)).visual_encoder
    config = BlipVisionConfig(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        layer_norm_eps=1e-6,
    )
    theirs = BlipVisionModel(config).eval()
    names = {
        'cls_token': 'embeddings.class_embedding',
        'pos_embed': 'embeddings.position_embedding',
        'patch_embed.proj': 'embeddings.patch_embedding',
        'blocks': 'encoder.layers',
        'attn.qkv': 'self_attn.qkv',
        'attn.proj': 'self_attn.projection',
        'norm1': 'layer_norm1',
        'norm2': 'layer_norm2',
    }
    state = {}
    for key, value in ours.state_dict().items():
        name = key.replace('norm.', 'post_layernorm.') if key[:4] == 'norm' else key
        for old, new in names.items():
            name = name.replace(old, new)
        state[name] = value
    theirs.load_state_dict(state)
    pixels = torch.randn(2, 3, side, side)
    expected = theirs(pixels, interpolate_pos_encoding=True).last_hidden_state
    torch.testing.assert_close(ours(pixels), expected, atol=1e-5, rtol=1e-4)


class Trap:
    """Runs a command where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_code_is_refused(tmp_path):
    content = albef_checkpoint()
    content['config'] = Trap(tmp_path / 'sprung')
    torch.save(content, tmp_path / 'trap.pth')
    with pytest.raises(CheckpointError, match=r'trap\.pth holds more than weights'):
        load_albef(tmp_path / 'trap.pth', 2)
    assert not (tmp_path / 'sprung').exists()


@pytest.mark.parametrize(
    ('gone', 'message'),
    [
        ('itm_head.', r'2 missing \(itm_head.weight, itm_head.bias\)'),
        ('visual_encoder.norm.', '2 missing'),
        ('visual_encoder.patch_embed', 'not a checkpoint of ALBEF.*patch_embed'),
        (
            'visual_encoder.blocks.',
            r"checkpoint of ALBEF.*'visual_encoder.blocks",
        ),
        ('text_encoder.bert.embeddings.word', 'word_embeddings'),
        ('text_encoder.bert.encoder.layer.2.cross', '10 missing'),
    ],
)
def test_incomplete_checkpoints_are_refused(tmp_path, gone, message):
    content = albef_checkpoint()
    for key in list(content['model']):
        if key.startswith(gone):
            del content['model'][key]
    if 'cross' in gone:  # layer 3 has cross-attention, so has every layer behind it
        content['model']['text_encoder.bert.encoder.layer.2.crossattention.x'] = (
            torch.zeros(1)
        )
    torch.save(content, tmp_path / 'part.pth')
    with pytest.raises(CheckpointError, match=message):
        load_albef(tmp_path / 'part.pth', 2)


def test_text_without_fusion_is_refused(tmp_path):
    content = albef_checkpoint()
    for key in list(content['model']):
        if '.crossattention.' in key:
            del content['model'][key]
    torch.save(content, tmp_path / 'text.pth')
    with pytest.raises(CheckpointError, match=r'with cross-attention.*crossattention'):
        load_albef(tmp_path / 'text.pth', 2)


def test_arguments_that_do_not_fit(tmp_path, albef_folder):
    checkpoint, vocab = albef_folder / 'albef.pth', albef_folder / 'vocab.txt'
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        AlbefMatcher(tmp_path / 'albef.pth', vocab)
    with pytest.raises(CheckpointError, match='num_heads=5 does not divide'):
        AlbefMatcher(checkpoint, vocab, num_heads=5)
    with pytest.raises(FileNotFoundError, match='no such vocabulary'):
        AlbefMatcher(checkpoint, tmp_path / 'vocab.txt', block=2, num_heads=2)
    (tmp_path / 'words.txt').write_text('dog\ncat\n')
    with pytest.raises(ValueError, match=r"lacks \['\[CLS\]'"):
        AlbefMatcher(checkpoint, tmp_path / 'words.txt', block=2, num_heads=2)
    with pytest.raises(ValueError, match='knows 19 tokens, the model 10'):
        load_wordpiece(vocab, 10)


def test_tokenizer_may_come_from_a_folder(albef, blip_folder, albef_folder):
    model = AlbefMatcher(albef_folder / 'albef.pth', blip_folder, block=2, num_heads=2)
    expected = albef.tokenize(CAPTIONS)
    assert torch.equal(model.tokenize(CAPTIONS).ids, expected.ids)
