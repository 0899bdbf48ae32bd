"""Classifier whose classes are vectors of a text encoder, and may change at any time.

Used by OVR-CNN (Zareian et al., CVPR 2021), XPM/CMPL (Huynh et al., CVPR 2022) and
Mask-free OVIS (VS et al., CVPR 2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...utils.settings import check_choice

LOGIT_MODES = ('dot', 'cosine')
BG_MODES = ('zero', 'learned', 'mean')
SCORE_MODES = ('softmax', 'sigmoid', 'softmax_topm')
MAX_SCALE = 100.0
DEFAULT_SCALES = {'dot': 1.0, 'cosine': 50.0}
_EPS = 1e-3  # of a region's norm: bounds the gradient where the features are all zero


class EmbeddingClassifier(nn.Module):
    """Logits of region embeddings by their similarity to class vectors.

    The logit of class c is ``scale * <e, t_c>`` (``'dot'``) or ``scale * cos(e, t_c)``
    (``'cosine'``). The last logit is that of the background. Class vectors are no
    parameters and stand in no checkpoint; nothing that is learnt depends on their
    number. Everything is computed in float32, also under automatic mixed precision.

    Words for the background, see :meth:`set_vectors`, take part in the softmax and are
    summed up in the logit of the background, which is the log-sum-exp of its own and of
    theirs. So there are always ``C + 1`` logits.

    Args:
        embed_dim (int): Dimension D of the text space.
        logit_mode (str): ``'dot'`` or ``'cosine'``. Defaults to ``'dot'``.
        normalize_text (bool): Bring class vectors to length 1; ``'cosine'`` always
            does. Defaults to False.
        logit_scale (float | str, optional): A fixed value, or ``'learn'`` for a
            parameter that starts at the default and never exceeds 100. Defaults to
            None: 1 for ``'dot'``, 50 for ``'cosine'``.
        bg_mode (str): Vector of the background: ``'zero'`` (its logit is 0, which only
            suits ``'dot'``), ``'learned'``, or ``'mean'`` of the class vectors.
            Defaults to ``'zero'``.
        class_chunk (int, optional): Compare with so many class vectors at a time.
            Defaults to None (all at once).

    Raises:
        ValueError: If an argument is unknown or they do not fit together.

    Examples:
        >>> classifier = EmbeddingClassifier(embed_dim=2)
        >>> classifier.set_vectors(torch.eye(2))
        >>> logits = classifier(torch.tensor([[math.log(2), 0.0]]))
        >>> [round(p, 4) for p in logits.softmax(-1)[0].tolist()]
        [0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        embed_dim: int,
        logit_mode: str = 'dot',
        normalize_text: bool = False,
        logit_scale: float | str | None = None,
        bg_mode: str = 'zero',
        class_chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_choice('logit_mode', logit_mode, LOGIT_MODES)
        check_choice('bg_mode', bg_mode, BG_MODES)
        if logit_mode == 'cosine' and bg_mode == 'zero':
            raise ValueError(
                "bg_mode='zero' has logit 0 in the middle of the cosine's range, so "
                "logit_mode='cosine' takes bg_mode='learned' or 'mean'"
            )
        if class_chunk is not None and class_chunk < 1:
            raise ValueError(f'class_chunk is a positive number, not {class_chunk}')
        self.embed_dim = embed_dim
        self.logit_mode = logit_mode
        self.normalize_text = normalize_text or logit_mode == 'cosine'
        self.bg_mode = bg_mode
        self.class_chunk = class_chunk
        self._set_scale(logit_scale)
        if bg_mode == 'learned':
            self.background = nn.Parameter(torch.empty(embed_dim).normal_(std=0.01))
        nothing = torch.zeros(0, embed_dim)
        self.register_buffer('class_vectors', nothing, persistent=False)
        self.register_buffer('background_vectors', nothing.clone(), persistent=False)

    def _set_scale(self, logit_scale: float | str | None) -> None:
        default = DEFAULT_SCALES[self.logit_mode]
        if logit_scale == 'learn':
            self.log_scale = nn.Parameter(torch.tensor(math.log(default)))
            return
        scale = default if logit_scale is None else logit_scale
        if isinstance(scale, str) or not 0 < scale <= MAX_SCALE:
            raise ValueError(
                f"logit_scale is 'learn' or in (0, {MAX_SCALE:g}], not {scale!r}"
            )
        self.fixed_scale = float(scale)

    @property
    def scale(self) -> Tensor | float:
        """Factor of all logits, at most 100."""
        if not hasattr(self, 'log_scale'):
            return self.fixed_scale
        # The parameter itself is kept in range, so that its gradient never vanishes.
        self.log_scale.data.clamp_(max=math.log(MAX_SCALE))
        return self.log_scale.float().exp()

    def set_vectors(
        self, class_vectors: Tensor, background_vectors: Tensor | None = None
    ) -> None:
        """Install classes, and words for the background.

        Args:
            class_vectors (Tensor): (C, D) float, C > 0.
            background_vectors (Tensor, optional): (K, D) float. Defaults to None: the
                background has its own vector only.

        Raises:
            ValueError: If a tensor has another shape, or a vector is not finite or
                zero; the message gives its number. Nothing is changed then.
        """
        classes = self._prepare(class_vectors, 'class_vectors')
        if not len(classes):
            raise ValueError('a vocabulary needs at least one class vector')
        if background_vectors is None:
            background_vectors = class_vectors[:0]
        background = self._prepare(background_vectors, 'background_vectors')
        self.class_vectors, self.background_vectors = classes, background

    def _prepare(self, vectors: Tensor, what: str) -> Tensor:
        if vectors.ndim != 2 or vectors.shape[1] != self.embed_dim:
            raise ValueError(
                f'{what} has shape {tuple(vectors.shape)}, but embed_dim is '
                f'{self.embed_dim}: vectors and config are of different text encoders'
            )
        vectors = vectors.detach().to(self.class_vectors.device, torch.float32)
        usable = vectors.isfinite().all(1) & vectors.any(1)
        if not usable.all():
            number = int(usable.logical_not().nonzero()[0])
            raise ValueError(f'{what}[{number}] is zero or not finite')
        return functional.normalize(vectors) if self.normalize_text else vectors.clone()

    def forward(self, embeddings: Tensor) -> Tensor:
        """Compute logits.

        Args:
            embeddings (Tensor): (N, D) embeddings of regions.

        Returns:
            Tensor: (N, C + 1) float32, the background last.

        Raises:
            ValueError: If no classes are installed.
        """
        if not len(self.class_vectors):
            raise ValueError(
                'the classifier has no classes yet: add '
                "custom_hooks=[dict(type='VocabularyHook')] to the config, or call "
                'set_vocabulary(names)'
            )
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            if self.logit_mode == 'cosine':
                embeddings = functional.normalize(embeddings, eps=_EPS)
            embeddings = embeddings * self.scale
            classes = self._similarities(embeddings, self.class_vectors)
            return torch.cat([classes, self._background_logits(embeddings)], dim=1)

    def _similarities(self, embeddings: Tensor, vectors: Tensor) -> Tensor:
        """Compute (N, n) scalar products."""
        if self.class_chunk is None or len(vectors) <= self.class_chunk:
            return embeddings @ vectors.T
        parts = vectors.split(self.class_chunk)
        return torch.cat([embeddings @ part.T for part in parts], dim=1)

    def _background_logits(self, embeddings: Tensor) -> Tensor:
        """Compute (N, 1) logits of the background, its words included."""
        if self.bg_mode == 'zero':
            own = embeddings.new_zeros(len(embeddings), 1)
        else:
            own = embeddings @ self._background_vector()[:, None]
        if not len(self.background_vectors):
            return own
        words = self._similarities(embeddings, self.background_vectors)
        return torch.cat([own, words], dim=1).logsumexp(1, keepdim=True)

    def _background_vector(self) -> Tensor:
        if self.bg_mode == 'mean':
            vector, is_unit = self.class_vectors.mean(0), self.normalize_text
        else:
            vector, is_unit = self.background.float(), self.logit_mode == 'cosine'
        return functional.normalize(vector, dim=0) if is_unit else vector


def class_scores(logits: Tensor, mode: str = 'softmax', top_m: int = 10) -> Tensor:
    """Turn logits into the scores of detections.

    - ``'softmax'``: over all classes and the background. A class has to share with all
      others: with more words, all scores are lower.
    - ``'sigmoid'``: each class against the background alone, ``sigmoid(z_c - z_bg)``,
      whatever the other classes are.
    - ``'softmax_topm'``: over the background and the ``top_m`` best classes of a
      region; its other classes get 0.

    With one class, all three are the same.

    Args:
        logits (Tensor): (N, C + 1), the background last.
        mode (str): One of the three.
        top_m (int): See above.

    Returns:
        Tensor: (N, C + 1) float32 in [0, 1]. The last column is for the background;
        with ``'sigmoid'`` it is one minus the best score.

    Raises:
        ValueError: If the mode is unknown or ``top_m`` is not positive.

    Examples:
        >>> logits = torch.tensor([[math.log(9)] + [0.0] * 90 + [0.0]])
        >>> [round(class_scores(logits, mode, 1)[0, 0].item(), 2)
        ...  for mode in ('softmax', 'sigmoid', 'softmax_topm')]
        [0.09, 0.9, 0.9]
    """
    check_choice('score_mode', mode, SCORE_MODES)
    if top_m < 1:
        raise ValueError(f'top_m is a positive number, not {top_m}')
    logits = logits.float()
    if mode == 'softmax':
        return logits.softmax(-1)
    if mode == 'sigmoid':
        scores = (logits[:, :-1] - logits[:, -1:]).sigmoid()
        return torch.cat([scores, 1 - scores.amax(1, keepdim=True)], dim=1)
    classes = logits[:, :-1]
    best, labels = classes.topk(min(top_m, classes.shape[1]), dim=1)
    few = torch.cat([best, logits[:, -1:]], dim=1).softmax(-1)
    scores = torch.zeros_like(classes).scatter(1, labels, few[:, :-1])
    return torch.cat([scores, few[:, -1:]], dim=1)
