"""From a config to what a generation consists of, and what its output depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config

from ...language.noun_parser import NounParser
from ...language.vocabularies import load_vocabulary
from ...pseudo_labels.signature import RunSignature, file_sha256
from ...pseudo_labels.sources import GradCamSource
from ...utils.conversion import to_json
from ...version import __version__
from ...vlm import IterativeMasking, PhraseActivation, VisionLanguageModel
from ..running import building, load_job_config
from .inputs import CaptionedReader, CaptionedSample

_NEEDED = ('vlm', 'vocabulary', 'captions', 'source')


@dataclass(frozen=True, eq=False)
class Generation:
    """The parts of a generation.

    Args:
        model (VisionLanguageModel): Says where words are seen.
        search (IterativeMasking): How it is asked.
        source (GradCamSource): Makes masks of the answers.
        reader (CaptionedReader): Images and words.
        batch_size (int): Images that the model is given at once.
        signature (RunSignature): What the output depends on.
    """

    model: VisionLanguageModel
    search: IterativeMasking
    source: GradCamSource
    reader: CaptionedReader
    batch_size: int
    signature: RunSignature

    def look(self, samples: Sequence[CaptionedSample]) -> list[list[PhraseActivation]]:
        """Search the words of a few images.

        Returns:
            list[list[PhraseActivation]]: One list an image, of all of its queries.
        """
        pairs = [(i, q) for i, sample in enumerate(samples) for q in sample.queries]
        found = self.search(
            self.model,
            [samples[i].image for i, _ in pairs],
            [query.caption for _, query in pairs],
            [query.phrases for _, query in pairs],
        )
        merged: list[list[PhraseActivation]] = [[] for _ in samples]
        for (i, _), activations in zip(pairs, found, strict=True):
            merged[i] += activations
        return merged


def load_generation_config(
    config: Config | str | Path, cfg_options: Mapping[str, Any] | None = None
) -> Config:
    """Load a config and make its scope the one that registries resolve names for.

    Args:
        config (Config | str | Path): A config or its file.
        cfg_options (Mapping, optional): Changes to it.

    Returns:
        Config: A copy.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be parsed, or is not one for generation.
    """
    cfg = load_job_config(
        config, cfg_options, _NEEDED, 'configs/ovis/generate_blip_pa_coco.py'
    )
    for key in ('ann_file', 'img_dir'):
        if not isinstance(cfg.captions, Mapping) or not cfg.captions.get(key):
            raise ValueError(f'{cfg.filename or "the config"}: captions has no {key}')
    return cfg


def build_generation(
    cfg: Config, limit: int | None = None, device: str = 'cpu'
) -> Generation:
    """Build all parts.

    Args:
        cfg (Config): ``vlm`` is the config of a
            :class:`~mmdet_ovis.vlm.VisionLanguageModel`, ``vocabulary`` a name, a file
            or a list of names (see
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary`), ``captions`` has
            ``ann_file``, ``img_dir`` and maybe ``choose``
            (:class:`.inputs.CaptionedReader`), ``source`` are arguments of
            :class:`~mmdet_ovis.pseudo_labels.sources.GradCamSource`. Optional are
            ``search`` (:class:`~mmdet_ovis.vlm.IterativeMasking`), ``parser``
            (:class:`~mmdet_ovis.language.noun_parser.NounParser`) and ``batch_size``.
        limit (int, optional): Process the first images only.
        device (str): Where the model runs.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a part cannot be built; the message says which argument is wrong.
    """
    where = f' of {cfg.filename or "the config"}'
    with building(f'vocabulary{where}'):
        vocabulary = load_vocabulary(cfg.vocabulary)
    with building(f'parser{where}'):
        parser_args = dict(cfg.get('parser') or {})
        parser = NounParser(vocabulary, **parser_args)
    with building(f'captions{where}'):
        captions = dict(cfg.captions)
        ann_file = captions.pop('ann_file')
        reader = CaptionedReader(ann_file, parser=parser, limit=limit, **captions)
    batch_size = cfg.get('batch_size') or 16
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f'batch_size is a number of images, not {batch_size}')
    with building(f'search{where}'):
        search_args = {'type': 'IterativeMasking', **(cfg.get('search') or {})}
        search = TASK_UTILS.build(search_args)
    with building(f'source{where}'):
        source_args = {'type': 'GradCamSource', **cfg.source}
        source = TASK_UTILS.build({**source_args, 'vocabulary': vocabulary})
    with building(f'vlm{where}'):
        model = MODELS.build(cfg.vlm)
    signature = RunSignature(
        {
            'version': __version__,
            'vlm': to_json(cfg.vlm),
            'vlm_sha256': state_sha256(model),
            'captions_sha256': file_sha256(ann_file),
            'choose': reader.choose,
            'parser': to_json(parser_args),
            'synonyms': [list(vocabulary.forms(i)) for i in range(len(vocabulary))],
            'search': asdict(search),
            'batch_size': batch_size,
            'source': {'name': source.name, **source.parameters},
            'limit': limit,
        }
    )
    return Generation(model.to(device), search, source, reader, batch_size, signature)


def state_sha256(model: torch.nn.Module) -> str:
    """Return a checksum of all weights, wherever they were loaded from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f'{name}{tuple(tensor.shape)}{tensor.dtype}'.encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
