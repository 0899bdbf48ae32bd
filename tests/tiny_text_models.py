"""Tiny random text models with a tokenizer that knows a few words."""

from __future__ import annotations

PIECES = [
    '[PAD]', '[UNK]', '[CLS]', '[SEP]',
    'a', 'photo', 'of', 'black', 'and', 'brown', 'dog', 'skate', '##board', 'laying',
    'on', 'grass', 'covered', 'ground', 'cat', '.',
]  # fmt: skip


def save_tokenizer(folder):
    """Save a tokenizer of word pieces in BERT's manner, ``[CLS] ... [SEP]``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {piece: i for i, piece in enumerate(PIECES)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token='[UNK]'))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single='[CLS] $A [SEP]', special_tokens=[('[CLS]', 2), ('[SEP]', 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token='[UNK]',
        cls_token='[CLS]',
        sep_token='[SEP]',
        pad_token='[PAD]',
        model_max_length=16,
    )
    fast.save_pretrained(folder)
    return fast


def save_model(folder, class_name, config):
    import torch
    import transformers

    torch.manual_seed(0)
    save_tokenizer(folder)
    network = getattr(transformers, class_name)(config)
    with torch.no_grad():
        for value in network.parameters():
            if value.ndim > 1:  # large enough that outputs depend on the text
                value.normal_(0, 0.3)
    network.save_pretrained(folder)
    return folder


def size(**more):
    return dict(
        vocab_size=len(PIECES),
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        **more,
    )


VISION = dict(
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    image_size=8,
    patch_size=4,
)


def build_clip(folder):
    """Save both towers in one checkpoint, as OpenAI's are published."""
    import transformers

    config = transformers.CLIPConfig(
        text_config=size(projection_dim=6), vision_config=VISION, projection_dim=6
    )
    return save_model(folder, 'CLIPModel', config)
