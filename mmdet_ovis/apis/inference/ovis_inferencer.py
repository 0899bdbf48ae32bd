"""Instances of any words in photographs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from ...engine.vocabulary import set_vocabulary, vocabulary_heads
from ...language.text_encoders import EncoderChoice
from ...pseudo_labels.proposals.network import image_pipeline_cfg
from ...structures.vocabulary import Vocabulary
from ...utils.checkpoint import load_model_checkpoint
from ...utils.image import read_image
from ..running import building, load_config
from .settings import InferenceSettings, auto_score_thr
from .word_vectors import WordVectors

if TYPE_CHECKING:
    from .crop_rescorer import CropRescorer

_NEEDED = (
    'it takes the config of a two-stage detector with an EmbeddingBBoxHead, such as '
    'ovis_*.py of configs/ovis'
)
Image = np.ndarray | str | os.PathLike
Words = str | Sequence[str] | Vocabulary


class OVISInferencer:
    """Find instances of any words with an open-vocabulary detector.

    Scores of different vocabularies are not comparable, as long as words share a
    softmax.

    Args:
        config (str | PathLike | Config): Of a two-stage detector with a vocabulary
            head, such as those of ``configs/ovis``.
        checkpoint (str | PathLike): Its weights.
        embeddings (str | PathLike | Sequence, optional): Text embedding banks. Defaults
            to None: the one that the config names, if it is there.
        text_encoder (str | EncoderChoice, optional): For words that no bank has, see
            :meth:`~mmdet_ovis.language.text_encoders.EncoderChoice.parse`.
        device (str, optional): Defaults to the best one available.
        cfg_options (Mapping, optional): Overrides of the config.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.
        settings (InferenceSettings, optional): What becomes a result.
        cache_dir (str | PathLike, optional): Where vectors of encoded words are kept.
        templates (str | PathLike, optional): Prompts for the text encoder, see
            :class:`~mmdet_ovis.apis.inference.word_vectors.WordVectors`.
        rescorer (CropRescorer, optional): Judges the instances again.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If config, checkpoint and text vectors do not fit each other.

    Examples::

        inferencer = OVISInferencer(
            'configs/ovis/ovis_pseudo-only_r50-fpn_90k_ov-coco.py', 'iter_90000.pth',
            text_encoder='openai/clip-vit-base-patch32',
        ).set_vocabulary('dog. traffic cone. red mug', background='sky. wall')
        sample = inferencer('photo.jpg')
        sample.pred_instances.masks  # (n, H, W) bool
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike,
        embeddings: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
        text_encoder: str | EncoderChoice | None = None,
        device: str | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        trust_checkpoint: bool = False,
        settings: InferenceSettings | None = None,
        cache_dir: str | os.PathLike | None = None,
        templates: str | os.PathLike | None = None,
        rescorer: CropRescorer | None = None,
    ) -> None:
        self.settings = settings or InferenceSettings()
        self.device = torch.device(device or get_device())
        self.rescorer = rescorer
        self.vocabulary: Vocabulary | None = None
        cfg = _load(config, cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmdet'))
        with building(f'the test pipeline of {_name(cfg)}'):
            self.pipeline = Compose(image_pipeline_cfg(cfg))
        with building(f'model of {_name(cfg)}'):
            self.model = MODELS.build(cfg.model)
        heads = _need_heads(self.model)
        loaded = load_model_checkpoint(self.model, checkpoint, trust=trust_checkpoint)
        if isinstance(text_encoder, str):
            text_encoder = EncoderChoice.parse(text_encoder, str(self.device))
        self.words = WordVectors(
            _banks(embeddings, heads),
            text_encoder,
            cache_dir,
            _trained_space(loaded, heads),
            templates,
        )
        if rescorer is not None and rescorer.model_id is not None:
            space = {'model_id': rescorer.model_id}
            self.words.agree(space, 'the CLIP of the rescorer')
        self._apply_settings(heads)
        self.model.to(self.device).eval()

    def _apply_settings(self, heads: Mapping[str, nn.Module]) -> None:
        settings, roi_head = self.settings, self.model.roi_head
        if settings.score_mode is not None:
            for head in heads.values():
                head.score_mode = settings.score_mode
        roi_head.test_cfg = ConfigDict(
            roi_head.test_cfg,
            max_per_img=settings.topk,
            nms=dict(
                type='nms',
                iou_threshold=settings.iou,
                class_agnostic=settings.nms == 'agnostic',
            ),
        )
        if not settings.masks:
            roi_head.mask_head = None

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """``classes``, the words in the order of the labels."""
        return dict(classes=self.vocabulary.names if self.vocabulary else ())

    @property
    def score_thr(self) -> float:
        """The threshold that is in use."""
        return self.model.roi_head.test_cfg.score_thr

    def set_vocabulary(self, words: Words, background: Words = ()) -> OVISInferencer:
        """Choose what to look for.

        Args:
            words (str | Sequence[str] | Vocabulary): Names in the order of the labels,
                as a list or as a text (``'dog. traffic cone'``), with synonyms behind
                bars (``'couch|sofa'``). One that is given twice counts once, with a
                warning.
            background (str | Sequence[str] | Vocabulary): Words that take part in the
                classification and are never found, for example what stands around.

        Returns:
            OVISInferencer: This one.

        Raises:
            ValueError: If there is no word, one is also background, or one has no
                text vector.
        """
        vocabulary = as_vocabulary(words)
        others = as_vocabulary(background) if len(background) else None
        names = others.names if others else ()
        twice = [name for name in names if name in vocabulary]
        if twice:
            raise ValueError(
                f"'{twice[0]}' cannot be both a word to look for and background"
            )
        options: dict[str, Any] = {}
        if others:
            vectors = torch.from_numpy(self.words(others))
            options = dict(background=names, background_embeddings=vectors)
        vectors = torch.from_numpy(self.words(vocabulary))
        set_vocabulary(self.model, vocabulary.names, vectors, **options)
        self.vocabulary, self._vectors = vocabulary, vectors
        threshold = self.settings.score_thr
        if threshold == 'auto':
            threshold = auto_score_thr(self._num_rivals(len(vocabulary) + len(names)))
        self.model.roi_head.test_cfg.score_thr = threshold
        return self

    def _num_rivals(self, num_words: int) -> int:
        """Count the words that share a softmax."""
        (head, *_) = vocabulary_heads(self.model).values()
        mode = getattr(head, 'score_mode', 'softmax')
        most = {'sigmoid': 1, 'softmax_topm': getattr(head, 'top_m', num_words)}
        return min(num_words, most.get(mode, num_words))

    def __call__(
        self, images: Image | Sequence[Image], batch_size: int = 1
    ) -> DetDataSample | list[DetDataSample]:
        """Find the words in images.

        Images whose inputs to the network differ in size are not put into one batch,
        so that padding changes no result.

        Args:
            images (ndarray | str | PathLike | Sequence): One or several: (H, W, 3)
                uint8, BGR, or paths.
            batch_size (int): Images that the network is given at once, at most.

        Returns:
            DetDataSample | list[DetDataSample]: One an image, on the CPU, with
            ``pred_instances``: ``bboxes`` (n, 4) xyxy in pixels of the image,
            ``labels`` (n,) into the vocabulary, ``scores`` (n,), best first, and
            ``masks`` (n, H, W) bool unless they are switched off.

        Raises:
            FileNotFoundError: If an image is missing.
            ValueError: If one cannot be read, or no vocabulary is set.
        """
        if self.vocabulary is None:
            raise ValueError('no words to look for: call set_vocabulary first')
        if batch_size < 1:
            raise ValueError(f'batch_size is a number of images, not {batch_size}')
        if _is_one(images):
            return self([images], batch_size)[0]
        results = []
        for start in range(0, len(images), batch_size):
            batch = [_read(image) for image in images[start : start + batch_size]]
            results += self._predict(batch)
        return results

    @torch.inference_mode()
    def _predict(self, images: Sequence[np.ndarray]) -> list[DetDataSample]:
        packed = [self.pipeline(dict(img=image, img_id=0)) for image in images]
        results: dict[int, DetDataSample] = {}
        for places in self._by_size(packed):
            data = pseudo_collate([packed[i] for i in places])
            found = self.model.test_step(data)
            results |= dict(zip(places, map(_only_instances, found), strict=True))
        samples = [results[i] for i in range(len(images))]
        if self.rescorer is None:
            return samples
        return [
            self.rescorer(image, sample, self.vocabulary.names, self._vectors)
            for image, sample in zip(images, samples, strict=True)
        ]

    def _by_size(self, packed: Sequence[Mapping[str, Any]]) -> list[list[int]]:
        """Group inputs that need the same padding."""
        step = getattr(self.model.data_preprocessor, 'pad_size_divisor', 1)
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, data in enumerate(packed):
            size = tuple(-(-side // step) for side in data['inputs'].shape[-2:])
            groups.setdefault(size, []).append(i)
        return list(groups.values())


def as_vocabulary(words: Words) -> Vocabulary:
    """Read a vocabulary, see :meth:`OVISInferencer.set_vocabulary`.

    Examples:
        >>> as_vocabulary(['dog', 'couch|sofa']).forms(1)
        ('couch', 'sofa')
    """
    if isinstance(words, Vocabulary):
        return words
    if isinstance(words, str):
        return Vocabulary.parse(words)
    return Vocabulary.of(words)


def _load(
    config: str | os.PathLike | Config, cfg_options: Mapping[str, Any] | None
) -> Config:
    if isinstance(config, Config):
        cfg = config.copy()
        cfg.merge_from_dict(dict(cfg_options or {}))
    else:
        cfg = load_config(config, cfg_options)
    if not isinstance(cfg.get('model'), Mapping):
        raise ValueError(f'{_name(cfg)} has no model; {_NEEDED}')
    return cfg


def _name(cfg: Config) -> str:
    return cfg.filename or 'the config'


def _need_heads(model: nn.Module) -> dict[str, nn.Module]:
    heads = vocabulary_heads(model)
    if not heads or not hasattr(model, 'roi_head'):
        raise ValueError(
            f'{type(model).__name__} finds no words of the user; {_NEEDED}'
        )
    return heads


def _banks(
    embeddings: str | os.PathLike | Sequence[str | os.PathLike] | None,
    heads: Mapping[str, nn.Module],
) -> list[str | os.PathLike]:
    if isinstance(embeddings, str | os.PathLike):
        return [embeddings]
    if embeddings is not None:
        return list(embeddings)
    configured = [getattr(head, 'embeddings', None) for head in heads.values()]
    return list(dict.fromkeys(path for path in configured if path and _exists(path)))


def _exists(path: str) -> bool:
    return Path(path).is_file()


def _trained_space(
    checkpoint: Mapping[str, Any], heads: Mapping[str, nn.Module]
) -> dict[str, Any]:
    """Return the text space of the weights; older files know its dimension only."""
    spaces = (checkpoint.get('meta') or {}).get('text_space') or {}
    space: dict[str, Any] = {}
    for name, head in heads.items():
        of_head = spaces.get(name) or next(iter(spaces.values()), {})
        space |= {**of_head, 'dim': head.classifier.embed_dim}
    return space


def _is_one(images: Image | Sequence[Image]) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    return isinstance(images, str | os.PathLike)


def _read(image: Image) -> np.ndarray:
    if isinstance(image, str | os.PathLike):
        return np.ascontiguousarray(read_image(image)[..., ::-1])
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'an image is an array (H, W, 3) of uint8, BGR, not one of '
            f'{image.shape} and {image.dtype}'
        )
    return image


def _only_instances(sample: DetDataSample) -> DetDataSample:
    result = DetDataSample(metainfo=sample.metainfo)
    result.pred_instances = sample.pred_instances.cpu()
    return result
