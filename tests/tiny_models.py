"""Tiny random models, written in the form that the real ones come in."""

from __future__ import annotations

import torch

from mmdet_ovis.structures.phrase import Phrase

WORDS = [
    'a',
    'black',
    'cat',
    'dog',
    'hot',
    'on',
    'the',
    'red',
    'sofa',
    'skate',
    '##board',
    'runs',
    'over',
    'grass',
]
BERT_SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
CAPTIONS = ['a dog on the red sofa', 'a cat', 'the black dog runs over a skateboard']


def find_phrase(caption: str, text: str) -> Phrase:
    start = caption.index(text)
    return Phrase(text, text, start, start + len(text))


def write_vocabulary(path, extra=()):
    path.write_text('\n'.join([*BERT_SPECIALS, *WORDS, *extra]) + '\n')
    return path


def save_wordpiece(folder, extra=()):
    """Save a BERT tokenizer; returns the size of its vocabulary."""
    from mmdet_ovis.vlm.albef import load_wordpiece

    folder.mkdir(parents=True, exist_ok=True)
    vocab = write_vocabulary(folder / 'vocab.txt', extra)
    tokenizer = load_wordpiece(vocab, 10**6)
    if extra:
        tokenizer.add_special_tokens({'additional_special_tokens': list(extra)})
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def save_byte_pairs(folder, specials, at_end):
    """Save a byte-level tokenizer, the kind of RoBERTa and CLIP; returns it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    first, pad, last = specials
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *specials] if at_end else [*specials, *alphabet]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f'{first} $A {last}',
        special_tokens=[(first, vocab[first]), (last, vocab[last])],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=first,
        cls_token=first,
        eos_token=last,
        sep_token=last,
        pad_token=pad,
    )
    fast.save_pretrained(folder)
    return fast


def randomize(network):
    """Weights large enough that maps and scores depend on the input."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim > 1:
                value.normal_(
                    0, 0.5 / value.shape[-1] ** 0.5 if 'embed' not in name else 0.5
                )
    return network


def build_blip(folder, extra=('[ENC]',), vocab_size=None):
    """Save a BLIP of four layers of text and two of vision, 32 pixels."""
    import transformers

    n_pieces = save_wordpiece(folder, extra)
    text = dict(
        vocab_size=vocab_size or n_pieces,
        hidden_size=32,
        encoder_hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=24,
        pad_token_id=0,
        bos_token_id=2,
        sep_token_id=3,
        eos_token_id=3,
    )
    vision = dict(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    config = transformers.BlipConfig(
        text_config=text, vision_config=vision, image_text_hidden_size=16
    )
    network = randomize(transformers.BlipForImageTextRetrieval(config))
    network.save_pretrained(folder)
    return folder


def albef_checkpoint(depth=4, fusion_layer=2):
    """The layout of the published file of ALBEF, narrow and random."""
    torch.manual_seed(1)
    shapes = {
        'visual_encoder.cls_token': (1, 1, 24),
        'visual_encoder.pos_embed': (1, 17, 24),
        'visual_encoder.patch_embed.proj.weight': (24, 3, 8, 8),
        'visual_encoder.patch_embed.proj.bias': (24,),
        'text_encoder.bert.embeddings.word_embeddings.weight': (40, 16),
        'text_encoder.bert.embeddings.position_embeddings.weight': (16, 16),
        'text_encoder.bert.embeddings.token_type_embeddings.weight': (2, 16),
        'text_encoder.cls.predictions.bias': (40,),
        'temp': (),
        'image_queue': (8, 32),
        'text_queue': (8, 32),
    }

    def add(name, out_dim, in_dim=None):
        shapes[f'{name}.weight'] = (out_dim,) if in_dim is None else (out_dim, in_dim)
        shapes[f'{name}.bias'] = (out_dim,)

    for i in range(2):
        block = f'visual_encoder.blocks.{i}'
        add(f'{block}.norm1', 24)
        add(f'{block}.norm2', 24)
        add(f'{block}.attn.qkv', 72, 24)
        add(f'{block}.attn.proj', 24, 24)
        add(f'{block}.mlp.fc1', 48, 24)
        add(f'{block}.mlp.fc2', 24, 48)
    add('visual_encoder.norm', 24)
    add('text_encoder.bert.embeddings.LayerNorm', 16)
    for i in range(depth):
        layer = f'text_encoder.bert.encoder.layer.{i}'
        attentions = {'attention': 16}
        if i >= fusion_layer:
            attentions['crossattention'] = 24
        for name, context in attentions.items():
            add(f'{layer}.{name}.self.query', 16, 16)
            add(f'{layer}.{name}.self.key', 16, context)
            add(f'{layer}.{name}.self.value', 16, context)
            add(f'{layer}.{name}.output.dense', 16, 16)
            add(f'{layer}.{name}.output.LayerNorm', 16)
        add(f'{layer}.intermediate.dense', 20, 16)
        add(f'{layer}.output.dense', 16, 20)
        add(f'{layer}.output.LayerNorm', 16)
    add('vision_proj', 8, 24)
    add('text_proj', 8, 16)
    add('itm_head', 2, 16)
    state = {name: 0.5 * torch.randn(shape) for name, shape in shapes.items()}
    state |= {
        'visual_encoder_m.cls_token': torch.zeros(1, 1, 24),
        'text_encoder_m.bert.embeddings.word_embeddings.weight': torch.zeros(40, 16),
        'vision_proj_m.bias': torch.zeros(8),
        'text_encoder.bert.embeddings.position_ids': torch.arange(16)[None],
        'queue_ptr': torch.zeros(1, dtype=torch.int64),
    }
    return {'model': state, 'optimizer': {}, 'config': {'image_res': 32}, 'epoch': 29}
