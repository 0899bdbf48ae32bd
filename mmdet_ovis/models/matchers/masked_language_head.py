"""Guessing the masked words of a caption from the others and from the image.

Source: the masked-language loss of OVR-CNN, "Open-Vocabulary Object Detection Using
Captions" (A. Zareian et al., CVPR 2021), section 3.2, after BERT (J. Devlin et al.,
NAACL 2019), section 3.1.
"""

from __future__ import annotations

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from .caption_batch import CaptionBatch
from .image_regions import Regions


@MODELS.register_module()
class MaskedLanguageHead(BaseModule):
    """Guesses masked words of captions, with the regions of the image in view.

    An encoder reads the tokens of a caption and the projected regions of its image. It
    says which row of the table of text vectors stood where a token is masked, so that
    regions have to say what the caption hides. It is thrown away after pretraining.

    Two things are simpler than in OVR-CNN: the encoder reads fixed text vectors and
    learns their positions, where OVR-CNN's reads what a frozen BERT makes of the
    caption; and it does not compare captions with images of others, which the grounding
    losses do. Padding is left out of the attention.

    Args:
        embed_dim (int): D, dimension of the text vectors.
        num_layers (int): Layers of the encoder. Defaults to 6.
        num_heads (int): Heads of its attention, which divide D. Defaults to 8.
        feedforward_channels (int): Defaults to 768.
        dropout (float): In [0, 1). Defaults to 0.1.
        max_positions (int): Places of a caption that are told apart; those behind count
            as the last one. Defaults to 64.
        mask_ratio (float): Share of the tokens that are guessed, in (0, 1]. Defaults
            to 0.15.
        keep_ratio (float): Share of these that the encoder sees nevertheless, in
            [0, 1). Defaults to 0.1.
        loss_weight (float): Defaults to 1.
        init_cfg (dict, optional): Initial weights.

    Raises:
        ValueError: If a share is out of its range, or heads do not divide D.
    """

    def __init__(
        self,
        embed_dim: int,
        num_layers: int = 6,
        num_heads: int = 8,
        feedforward_channels: int = 768,
        dropout: float = 0.1,
        max_positions: int = 64,
        mask_ratio: float = 0.15,
        keep_ratio: float = 0.1,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 < mask_ratio <= 1:
            raise ValueError(f'mask_ratio is in (0, 1], not {mask_ratio}')
        if not 0 <= keep_ratio < 1:
            raise ValueError(f'keep_ratio is in [0, 1), not {keep_ratio}')
        if embed_dim % num_heads:
            raise ValueError(
                f'num_heads={num_heads} does not divide the {embed_dim} dimensions of '
                'the text vectors'
            )
        self.mask_ratio = mask_ratio
        self.keep_ratio = keep_ratio
        self.loss_weight = loss_weight
        self.masked_word = nn.Parameter(torch.empty(embed_dim))
        self.positions = nn.Embedding(max_positions, embed_dim)
        self.location = nn.Linear(2, embed_dim)
        self.word_norm = nn.LayerNorm(embed_dim)
        self.region_norm = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            embed_dim,
            num_heads,
            feedforward_channels,
            dropout,
            activation='gelu',
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, num_layers, enable_nested_tensor=False
        )
        self.transform = nn.Sequential(
            nn.Linear(embed_dim, embed_dim), nn.GELU(), nn.LayerNorm(embed_dim)
        )
        for weight in (self.masked_word, self.positions.weight):
            nn.init.normal_(weight, std=0.02)
        for weight in self.encoder.parameters():
            if weight.ndim > 1:  # PyTorch makes all layers copies of one
                nn.init.xavier_uniform_(weight)

    def draw(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the tokens of captions that are guessed.

        Args:
            mask (Tensor): (B, W) bool, which tokens there are.

        Returns:
            tuple[Tensor, Tensor]: (B, W) bool, those that are guessed, and those of
            them that the encoder does not see.
        """
        guessed = mask & (torch.rand(mask.shape).to(mask.device) < self.mask_ratio)
        hidden = guessed & (torch.rand(mask.shape).to(mask.device) >= self.keep_ratio)
        return guessed, hidden

    def loss(
        self,
        words: CaptionBatch,
        regions: Regions,
        guessed: Tensor,
        hidden: Tensor,
        table: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the loss of guessing.

        Args:
            words (CaptionBatch): Tokens of B captions.
            regions (Regions): Of their images.
            guessed (Tensor): (B, W) bool of :meth:`draw`.
            hidden (Tensor): (B, W) bool of :meth:`draw`.
            table (Tensor): (V, D), vectors of all tokens that a caption can have.

        Returns:
            dict[str, Tensor]: Scalars ``loss_masked_language``, the cross-entropy of
            the guesses, 0 if there is none, and ``acc_masked_language`` in per cent.
        """
        states = self.transform(self._encode(words, regions, hidden)[guessed])
        with torch.autocast(device_type=states.device.type, enabled=False):
            logits = states.float() @ table.float().T
            right = words.ids[guessed]
            if len(right):
                loss = functional.cross_entropy(logits, right)
                accuracy = (logits.argmax(dim=1) == right).float().mean() * 100
            else:  # connected all the same: processes that train together wait for it
                loss = logits.sum() * 0
                accuracy = loss.detach()
        return {
            'loss_masked_language': loss * self.loss_weight,
            'acc_masked_language': accuracy,
        }

    def _encode(self, words: CaptionBatch, regions: Regions, hidden: Tensor) -> Tensor:
        """Read captions and regions; (B, W, D), what is known at each token."""
        number = words.mask.shape[1]
        places = torch.arange(number, device=words.mask.device)
        places = places.clamp(max=self.positions.num_embeddings - 1)
        seen = torch.where(hidden[..., None], self.masked_word, words.vectors)
        tokens = torch.cat(
            [
                self.word_norm(seen + self.positions(places)),
                self.region_norm(regions.vectors + self.location(regions.centres)),
            ],
            dim=1,
        )
        is_padding = ~torch.cat([words.mask, regions.mask], dim=1)
        # Attention to nothing at all is NaN; what such a caption reads is not used.
        is_padding = is_padding & ~is_padding.all(dim=1, keepdim=True)
        states = self.encoder(self.dropout(tokens), src_key_padding_mask=is_padding)
        return states[:, :number]
