"""What models with text-to-image cross-attention share: tokens, GradCAM, phrases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .base import ImageState, PhraseMaps, VisionLanguageModel, check_texts
from .gradcam import attention_gradient, gradcam, sum_tokens

if TYPE_CHECKING:
    from ..structures.phrase import Phrase


@dataclass(frozen=True)
class TextTokens:
    """Tokenised captions, padded to the longest.

    Attributes:
        ids (Tensor): (B, T) int64.
        mask (Tensor): (B, T) bool, False where padded.
        offsets (Tensor): (B, T, 2) int64 on the CPU: characters [start, end) of the
            caption that each token stands for; (0, 0) for special tokens and padding.
    """

    ids: Tensor
    mask: Tensor
    offsets: Tensor

    def overlapping(self, index: int, phrase: Phrase) -> list[int]:
        """Return the tokens of caption ``index`` that share characters with a phrase.

        Raises:
            ValueError: If there is none.
        """
        start, end = self.offsets[index].unbind(dim=-1)
        hit = (start < phrase.end) & (end > phrase.start)
        if not hit.any():
            raise ValueError(
                f'no token of caption {index} stands for the phrase {phrase.text!r}; '
                'does the tokenizer drop its characters?'
            )
        return hit.nonzero().flatten().tolist()


@dataclass(frozen=True)
class TokenActivation:
    """What made the matching score rise, token by token.

    Attributes:
        maps (Tensor): (B, T, h, w) float32, not negative; 0 for padding and the closing
            token.
        logits (Tensor): (B,) float32, raw matching logits.
        p_match (Tensor): (B,) float32 in [0, 1].
    """

    maps: Tensor
    logits: Tensor
    p_match: Tensor


class CrossAttentionModel(VisionLanguageModel):
    """A model whose text tokens attend to image patches before they are scored.

    The image tower runs without gradient; the text and fusion stack always runs in
    float32, whatever autocast says, so that no gradient is lost in half precision.

    Args:
        network (nn.Module): The frozen network.
        tokenizer: A fast tokenizer of the transformers library.
        image_size (int | tuple[int, int]): Height and width of the input in pixels.
        block (int): Block of the fusion stack whose attention is used, from 0.

    Raises:
        ValueError: If the block has no cross-attention or is the last one.
    """

    scores_all_tokens: bool = False
    """Whether the last block serves as well; usually only its first token is scored."""

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Any,
        image_size: int | tuple[int, int],
        block: int,
    ) -> None:
        super().__init__(image_size)
        self.network = network
        self.tokenizer = tokenizer
        self.block = self.check_block(block)
        self.freeze()

    # --------------------------------------------------------- what a backend adds
    @property
    @abstractmethod
    def cross_attentions(self) -> Sequence[nn.Module | None]:
        """Module by block that returns (context, probabilities); None if there is none.

        Probabilities are (B, heads, T, 1 + h * w).
        """

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Longest caption in tokens."""

    @abstractmethod
    def fuse(self, features: Tensor, tokens: TextTokens) -> Tensor:
        """Score encoded images with texts.

        Args:
            features (Tensor): (B, 1 + h * w, D) of :meth:`encode`.
            tokens (TextTokens): B captions.

        Returns:
            Tensor: (B, 2) logits of "no match" and "match".
        """

    def arrange(
        self, ids: list[int], offsets: list[tuple[int, int]]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Change the tokens of a caption to what the model was trained with."""
        return ids, offsets

    # --------------------------------------------------------------- what they share
    def check_block(self, block: int) -> int:
        """Return the block if its attention says something about words.

        Raises:
            ValueError: If not.
        """
        blocks = self.cross_attentions
        last = len(blocks) if self.scores_all_tokens else len(blocks) - 1
        usable = [i for i, found in enumerate(blocks[:last]) if found is not None]
        choice = f'take {usable[0]} to {usable[-1]}' if usable else 'it is too shallow'
        if not 0 <= block < len(blocks):
            raise ValueError(
                f'block {block} is not one of the {len(blocks)} of this model; {choice}'
            )
        if block >= last:
            raise ValueError(
                f'block {block} is the last one: there only the first token reaches '
                f'the matching score, so the maps of all words are zero; {choice}'
            )
        if blocks[block] is None:
            raise ValueError(f'block {block} has no cross-attention; {choice}')
        return block

    def tokenize(self, captions: Sequence[str]) -> TextTokens:
        """Tokenise captions, with the characters that each token stands for.

        Raises:
            ValueError: If a caption is too long.
        """
        rows = []
        for i, caption in enumerate(captions):
            encoded = self.tokenizer(caption, return_offsets_mapping=True)
            rows.append(self.arrange(encoded['input_ids'], encoded['offset_mapping']))
            if len(rows[-1][0]) > self.max_tokens:
                raise ValueError(
                    f'caption {i} has {len(rows[-1][0])} tokens, the model takes '
                    f'{self.max_tokens}; shorten it: {caption[:40]!r}...'
                )
        size = (len(rows), max((len(ids) for ids, _ in rows), default=0))
        ids = torch.full(size, self.tokenizer.pad_token_id)
        mask = torch.zeros(size, dtype=torch.bool)
        offsets = torch.zeros((*size, 2), dtype=torch.int64)
        for i, (row_ids, row_offsets) in enumerate(rows):
            ids[i, : len(row_ids)] = torch.tensor(row_ids)
            mask[i, : len(row_ids)] = True
            offsets[i, : len(row_ids)] = torch.tensor(row_offsets)
        return TextTokens(ids.to(self.device), mask.to(self.device), offsets)

    def match(self, state: ImageState, captions: Sequence[str]) -> Tensor:
        """Return raw matching logits, (B,)."""
        check_texts(state, captions)
        with torch.no_grad(), self._full_precision():
            return self.fuse(state.features, self.tokenize(captions))[:, 1]

    def activate(
        self, state: ImageState, tokens: TextTokens, block: int | None = None
    ) -> TokenActivation:
        """Run GradCAM once for a batch.

        Args:
            state (ImageState): B images.
            tokens (TextTokens): B captions.
            block (int, optional): Another block than that of the constructor.
        """
        block = self.block if block is None else self.check_block(block)
        # Autograd wants tensors that were not made in inference mode.
        with torch.inference_mode(False), torch.enable_grad(), self._full_precision():
            features = state.features.clone().requires_grad_()
            with recorded(self.cross_attentions[block]) as attention:
                scores = self.fuse(features, tokens)
            gradient = attention_gradient(scores[:, 1], attention[0])
        closing = tokens.ids == _id_or_nothing(self.tokenizer.sep_token_id)
        maps = gradcam(
            attention[0].detach(), gradient, tokens.mask & ~closing, state.grid
        )
        scores = scores.detach()
        return TokenActivation(maps, scores[:, 1], scores.softmax(dim=-1)[:, 1])

    def phrase_maps(
        self,
        state: ImageState,
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
    ) -> PhraseMaps:
        """Return where each phrase of each caption is seen."""
        check_texts(state, captions, phrases)
        tokens = self.tokenize(captions)
        chosen = [
            [tokens.overlapping(i, phrase) for phrase in wanted]
            for i, wanted in enumerate(phrases)
        ]
        found = self.activate(state, tokens)
        maps = [sum_tokens(*pair) for pair in zip(found.maps, chosen, strict=True)]
        return PhraseMaps(maps, found.p_match)

    def _full_precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, enabled=False)


@contextmanager
def recorded(module: nn.Module) -> Iterator[list[Tensor]]:
    """Keep the attention probabilities that a module returns behind its context.

    Raises:
        RuntimeError: When the module is called and returns none.
    """
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: tuple[Tensor, ...]) -> None:
        if not isinstance(output, tuple) or len(output) < 2 or output[1] is None:
            raise RuntimeError(
                f'{type(module).__name__} returns no attention probabilities; load the '
                "model with attn_implementation='eager'"
            )
        kept.append(output[1])

    handle = module.register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def _id_or_nothing(token_id: int | None) -> int:
    return -1 if token_id is None else token_id
