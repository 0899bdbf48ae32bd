"""The networks that an extraction can ask: what each sees in an image, as evidence."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset, pseudo_collate
from torch import nn

from ...engine.vocabulary import (
    caption_words_of,
    check_text_spaces,
    class_names,
    set_vocabulary,
)
from ...models.detectors import CrossModalPseudoLabel
from ...pseudo_labels.signature import file_sha256
from ...pseudo_labels.sources import AffinityEvidence, Evidence, TeacherEvidence
from ...utils.checkpoint import load_model_checkpoint
from ...utils.conversion import to_numpy
from ...utils.reproducible import one_algorithm
from ..running import building
from .images import BrokenImageError
from .inputs import Sample, step_names

_LOADING = re.compile(r'Load\w*Annotations$')
_MOVING = re.compile(
    'Flip|Crop|Expand|Rotate|Shear|Translate|Shift|Affine|Mosaic|MixUp|CopyPaste'
)
"""In the name of transforms of mmcv and mmdet behind which pixels are elsewhere."""


def model_cfg(cfg: Config) -> ConfigDict:
    """Return the config of the network alone: grouping is not its business here."""
    model = copy.deepcopy(cfg.model)
    if model.get('test_cfg'):
        model.test_cfg.pop('pa_to_masks', None)
    return model


class EvidenceNetwork(ABC):
    """A trained network that looks at the images of an extraction.

    Args:
        cfg (Config): Config with ``model``.
        checkpoint (str | Path): Its weights.
        device (str): Where it runs.
        trust_checkpoint (bool): See
            :func:`mmdet_ovis.utils.checkpoint.load_checkpoint`.
        dataset (BaseDataset, optional): The images; None for networks that do not ask
            for more than they are given of each.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        ValueError: If it is unsafe, damaged, or of another model, the network cannot be
            built, or it cannot do what is asked of it.
    """

    evidence: ClassVar[type[Evidence]]
    """What :meth:`predict` returns."""

    source: ClassVar[str]
    """Source that works on it, where ``extraction`` of the config names none."""

    example: ClassVar[str]
    """A config that has one."""

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path,
        device: str,
        trust_checkpoint: bool = False,
        dataset: BaseDataset | None = None,
    ) -> None:
        with building(f'model of {cfg.filename or "the config"}'):
            self.model: nn.Module = MODELS.build(model_cfg(cfg))
        self.check_model()
        loaded = load_model_checkpoint(self.model, checkpoint, trust=trust_checkpoint)
        if device.startswith('cuda:'):
            torch.cuda.set_device(device)  # else all processes occupy the first one too
        self.model.to(device).eval()
        self.prepare(loaded, str(checkpoint), dataset)

    @classmethod
    def ingredients(cls, cfg: Config) -> dict[str, Any]:
        """Collect what the evidence depends on besides config and checkpoint.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If the config does not name it.
        """
        return {}

    @classmethod
    def check_config(cls, cfg: Config) -> None:
        """Refuse a config with which masks would not be where the image file has them.

        Raises:
            ValueError: If it is one.
        """
        for step in _steps(cfg):
            if _MOVING.search(step):
                raise ValueError(
                    f'{_where(cfg)} has {step}, which moves or cuts off what the image '
                    'shows, so masks would not fit its file; remove it'
                )

    def check_model(self) -> None:  # noqa: B027
        """Refuse a model that cannot do what is asked of it, before it is loaded."""

    def prepare(  # noqa: B027
        self, checkpoint: Mapping[str, Any], name: str, dataset: BaseDataset | None
    ) -> None:
        """Make the loaded model ready for the images of a dataset."""

    def predict(self, sample: Sample) -> Evidence:
        """Look at one image.

        Args:
            sample (Sample): The image.

        Returns:
            Evidence: What there is to see.

        Raises:
            BrokenImageError: If nothing can be made of this image.
            ValueError: If nothing can be made of any: model or pipeline do not fit.
        """
        # One algorithm for a shape, so that a resumed run gives the same bytes.
        with torch.inference_mode(), one_algorithm():
            return self.look(sample)

    @abstractmethod
    def look(self, sample: Sample) -> Evidence:
        """Do what :meth:`predict` says, where gradients are switched off."""


class AffinityNetwork(EvidenceNetwork):
    """A network that predicts pairwise affinities (GGN)."""

    evidence = AffinityEvidence
    source = 'AffinitySource'
    example = 'configs/pairwise_affinity/pa_extract.py'

    def look(self, sample: Sample) -> AffinityEvidence:
        """Predict the affinity of an image."""
        result = self.model.test_step(pseudo_collate([sample.data]))[0]
        if 'pred_affinity' not in result:
            raise ValueError(
                f'{type(self.model).__name__} predicts no affinity; extraction needs '
                'the config of a PairwiseAffinityPredictor'
            )
        affinity = result.pred_affinity.data.float().cpu().numpy()
        n_bad = affinity.size - int(np.isfinite(affinity).sum())
        if n_bad:
            raise BrokenImageError(
                f'{n_bad} of {affinity.size} predicted affinities are NaN or infinite; '
                'the checkpoint may come from a diverged training'
            )
        return AffinityEvidence(
            sample.image_id, sample.ori_shape, sample.gt_rles, affinity
        )


class TeacherNetwork(EvidenceNetwork):
    """A teacher that finds the words of captions (CMPL).

    Its vocabularies are those of the dataset: ``classes``, and the
    ``caption_vocabulary`` that words stand for. What it does with an image is what it
    does in training: :meth:`~mmdet_ovis.models.detectors.CrossModalPseudoLabel.label`.
    """

    evidence = TeacherEvidence
    source = 'TeacherSource'
    example = 'configs/cmpl/cmpl_extract_r50-c4_ov-coco.py'

    @classmethod
    def ingredients(cls, cfg: Config) -> dict[str, Any]:
        """Collect the words, and the text vectors that look for them."""
        dataset = cfg.test_dataloader.dataset
        if dataset.get('words_file') is None:
            raise ValueError(
                f'{cfg.filename or "the config"}: the dataset of test_dataloader has '
                'no words_file, so there is nothing to look for; '
                'tools/cmpl/parse_captions.py writes one'
            )
        words = Path(dataset.get('data_root') or '', dataset.words_file)
        banks = sorted(set(_embeddings(cfg.model)))
        return {
            'words_file_sha256': file_sha256(words),
            'text_embeddings_sha256': {bank: file_sha256(bank) for bank in banks},
        }

    @classmethod
    def check_config(cls, cfg: Config) -> None:
        """Insist as well that annotated objects are where the image has them."""
        super().check_config(cfg)
        resizing = ''
        for step in _steps(cfg):
            if 'Resize' in step:
                resizing = step
            if resizing and _LOADING.search(step):
                raise ValueError(
                    f'{_where(cfg)} has {step} behind {resizing}, so annotated objects '
                    'would not be where the resized image has them; move it before '
                    f'{resizing}'
                )

    def check_model(self) -> None:
        """Insist on a teacher."""
        if not isinstance(self.model, CrossModalPseudoLabel):
            raise ValueError(
                f'{type(self.model).__name__} has no teacher; this extraction needs '
                f'the config of a CrossModalPseudoLabel, such as {self.example}'
            )

    def prepare(
        self, checkpoint: Mapping[str, Any], name: str, dataset: BaseDataset
    ) -> None:
        """Check the weights and install both vocabularies.

        Raises:
            ValueError: If weights are not finite or of another text space, or a name
                has no text vector, or a word that looks for a region itself.
        """
        for key, value in self.model.state_dict().items():
            if value.is_floating_point() and not value.isfinite().all():
                raise ValueError(
                    f'{name}: {key} holds NaN or infinite values; the checkpoint may '
                    'come from a diverged training'
                )
        trained = (checkpoint.get('meta') or {}).get('text_space', {})
        check_text_spaces(self.model, trained, name)
        set_vocabulary(self.model, class_names(dataset.metainfo, 'the dataset'))
        self.names = tuple(dataset.metainfo.get('caption_vocabulary', ()))
        if not self.names:
            raise ValueError(
                'the dataset has no caption_vocabulary that words could stand for; '
                'set its words_file to a file of tools/cmpl/parse_captions.py'
            )
        words = caption_words_of(dataset)
        self.model.set_caption_vocabulary(self.names, sorted(words))

    def look(self, sample: Sample) -> TeacherEvidence:
        """Find the words of an image."""
        data = self.model.data_preprocessor(pseudo_collate([sample.data]), False)
        (data_sample,) = data['data_samples']
        words = self.model.words_of(data_sample)
        (found,) = self.model.label(data['inputs'], [data_sample])
        if not found.is_finite:
            raise BrokenImageError(
                'what the teacher predicts is NaN or infinite; the checkpoint may come '
                'from a diverged training'
            )
        said = data_sample.metainfo['caption_words']
        labels = data_sample.metainfo['caption_labels']
        return TeacherEvidence(
            sample.image_id,
            sample.ori_shape,
            sample.gt_rles,
            words=tuple(said),
            names=tuple(self.names[label] for label in labels),
            labels=tuple(int(label) for label in labels),
            searched=tuple(said.index(word) for word in words.words),
            places=to_numpy(found.word_inds),
            scores=to_numpy(found.scores),
            boxes=to_numpy(found.bboxes),
            masks=to_numpy(found.masks),
        )


def _steps(cfg: Config) -> Iterator[str]:
    """Name the steps of the pipeline that images go through."""
    return step_names((cfg.test_dataloader.get('dataset') or {}).get('pipeline'))


def _where(cfg: Config) -> str:
    return f'{cfg.filename or "the config"}: the pipeline of test_dataloader'


def _embeddings(cfg: Any) -> Iterator[str]:
    """Find the text embedding banks that a model names."""
    if isinstance(cfg, Mapping):
        if isinstance(cfg.get('embeddings'), str):
            yield cfg['embeddings']
        cfg = list(cfg.values())
    if isinstance(cfg, list | tuple):
        for value in cfg:
            yield from _embeddings(value)
