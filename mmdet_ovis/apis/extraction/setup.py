"""From a config to what an extraction consists of, and what its output depends on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from ...pseudo_labels.signature import RunSignature, file_sha256
from ...pseudo_labels.sources import AffinitySource, PseudoLabelSource
from ...utils.conversion import to_json
from ...version import __version__
from ..oln_ranker import RANKER_KEY, ranker_signature, split_grouping
from ..running import building, load_job_config
from .inputs import annotation_file
from .networks import AffinityNetwork, EvidenceNetwork, model_cfg


def load_extraction_config(
    config: Config | str | Path,
    cfg_options: Mapping[str, Any] | None = None,
    network: type[EvidenceNetwork] = AffinityNetwork,
) -> Config:
    """Load a config and make it the one that registries resolve names for.

    Args:
        config (Config | str | Path): A config or its file.
        cfg_options (Mapping, optional): Changes to it.
        network (type[EvidenceNetwork]): What is to look at the images.

    Returns:
        Config: A copy.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be parsed, or is not one for extraction.
    """
    cfg = load_job_config(
        config, cfg_options, ('model', 'test_dataloader'), network.example
    )
    network.check_config(cfg)
    return cfg


def build_source(
    cfg: Config,
    network: type[EvidenceNetwork] = AffinityNetwork,
    options: Mapping[str, Any] | None = None,
) -> PseudoLabelSource:
    """Build the source that turns evidence into annotations.

    Args:
        cfg (Config): ``extraction`` holds the arguments of the source, with its
            ``type`` in mmdet's ``TASK_UTILS`` (default: that of the network). The
            grouping parameters of an ``AffinitySource`` are ``pa_to_masks``, at the
            top level or else in ``model.test_cfg``.
        network (type[EvidenceNetwork]): What looks at the images.
        options (Mapping, optional): Arguments that override those of the config; None
            changes nothing.

    Returns:
        PseudoLabelSource: The source.

    Raises:
        ValueError: If there is no source of that type, it needs other evidence, or an
            argument is wrong.
    """
    args = dict(cfg.get('extraction') or {})
    args.setdefault('type', network.source)
    cls = TASK_UTILS.get(args['type'])
    if cls is None:
        raise ValueError(
            f"extraction.type '{args['type']}' is not registered in TASK_UTILS; "
            f'{network.source} is what works on {network.evidence.__name__}'
        )
    if not issubclass(network.evidence, cls.evidence):
        raise ValueError(
            f'{args["type"]} works on {cls.evidence.__name__}, and this extraction '
            f'gives it {network.evidence.__name__}; use a config such as '
            f'{network.example}'
        )
    grouping, _ = split_grouping(cfg)
    if grouping is not None and issubclass(cls, AffinitySource):
        args.setdefault('pa_to_masks', grouping)
    changes = {k: v for k, v in (options or {}).items() if v is not None}
    with building(f'extraction of {cfg.filename or "the config"}'):
        return TASK_UTILS.build(args | changes)


def run_signature(
    cfg: Config,
    checkpoint: str | Path,
    source: PseudoLabelSource,
    use_gt_masks: bool,
    limit: int | None,
    network: type[EvidenceNetwork] = AffinityNetwork,
) -> RunSignature:
    """Collect what the output depends on.

    Raises:
        FileNotFoundError: If checkpoint, annotation file or another file are missing.
        ValueError: If the config does not name one of them.
    """
    _, ranker = split_grouping(cfg)
    judge = {} if ranker is None else {RANKER_KEY: ranker_signature(ranker)}
    return RunSignature(
        {
            **judge,
            **network.ingredients(cfg),
            'version': __version__,
            'model': to_json(model_cfg(cfg)),
            'dataset': to_json(cfg.test_dataloader.dataset),
            'checkpoint_sha256': file_sha256(checkpoint),
            'annotation_file_sha256': file_sha256(annotation_file(cfg)),
            'source': {'name': source.name, **source.parameters},
            'use_gt_masks': use_gt_masks,
            'limit': limit,
        }
    )
