"""From words to boxes by a vision-language model, as where pseudo masks are made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope

from ...pseudo_labels.box_choice import BoxChoice, BoxChooser
from ...pseudo_labels.proposals import (
    AffinityProposals,
    FileProposals,
    GridProposals,
    ProposalProvider,
    SelectiveSearchProposals,
)
from ...pseudo_labels.sources import GradCamSource
from ...structures.phrase import Phrase
from ...structures.proposals import Proposals
from ...vlm import IterativeMasking, PhraseActivation, VisionLanguageModel
from ..running import building, load_config
from .affinity_inferencer import find_config

VLM_KINDS: Final = {
    'blip': 'BlipMatcher',
    'bridgetower': 'BridgeTowerMatcher',
    'clip': 'ClipSurgery',
}
"""Vision-language models that need nothing but a checkpoint."""

_PROVIDERS = {
    provider.name: provider for provider in (GridProposals, SelectiveSearchProposals)
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for a word in an image.

    Attributes:
        activation (PhraseActivation): Where the word is seen.
        choice (BoxChoice | None): The proposal that the activation means; None if it is
            flat or there is no proposal.
    """

    activation: PhraseActivation
    choice: BoxChoice | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """What speaks for the words of captions in an image.

    Attributes:
        captions (tuple[str, ...]): What the model was told, cleaned.
        evidence (tuple[Evidence, ...]): By phrase of the captions.
        proposals (Proposals): What was chosen from.
    """

    captions: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    proposals: Proposals


class Explainer:
    """Shows how words become boxes: as in the making of pseudo masks.

    Args:
        model (VisionLanguageModel): Says where words are seen.
        provider (ProposalProvider): Says where objects may be.
        search (IterativeMasking): How the model is asked.
        chooser (BoxChooser): How a proposal is chosen.

    Raises:
        ValueError: If the provider looks proposals up by the id of an image.

    Examples::

        explainer = build_explainer('Salesforce/blip-itm-base-coco')
        words = Vocabulary.parse('dog. traffic cone')
        explanation = explainer(image, *caption_of(words))
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        provider: ProposalProvider,
        search: IterativeMasking | None = None,
        chooser: BoxChooser | None = None,
    ) -> None:
        _refuse_files(provider)
        self.model = model
        self.provider = provider
        self.search = search or IterativeMasking()
        self.chooser = chooser or BoxChooser()

    def __call__(
        self,
        image: np.ndarray,
        captions: Sequence[str],
        phrases: Sequence[Sequence[Phrase]],
        file_name: str = 'image',
    ) -> Explanation:
        """Explain an image.

        Args:
            image (np.ndarray): (H, W, 3) uint8, BGR.
            captions (Sequence[str]): Cleaned captions.
            phrases (Sequence[Sequence[Phrase]]): Those of each caption.
            file_name (str): For providers that read files, and for messages.
        """
        proposals = self.provider.propose(image, 0, file_name)
        found = self.search(self.model, [image] * len(captions), captions, phrases)
        evidence = [
            Evidence(
                activation,
                None
                if activation.flags
                else self.chooser(activation.box_map, proposals),
            )
            for activations in found
            for activation in activations
        ]
        return Explanation(tuple(captions), tuple(evidence), proposals)


def build_explainer(
    vlm: str | os.PathLike,
    proposals: str | os.PathLike | None = None,
    pa: str | os.PathLike | None = None,
    device: str | None = None,
    trust_checkpoint: bool = False,
    pa_config: str | os.PathLike | None = None,
) -> Explainer:
    """Build an explainer from what a user names.

    Args:
        vlm (str | PathLike): ``KIND:CHECKPOINT`` with a kind of ``VLM_KINDS``; a folder
            or hub name alone, which is BLIP's; or a config (``.py``) with ``vlm`` and
            maybe ``search`` and ``source``, such as those of generation.
        proposals (str | PathLike, optional): ``'grid'``, ``'selective_search'``, or a
            config with ``proposals``, or ``source.proposals``. Defaults to None: of the
            affinity network, of the config ``vlm``, else selective search.
        pa (str | PathLike, optional): Checkpoint of a pairwise affinity network, whose
            groups are the proposals.
        device (str, optional): Of the networks. Defaults to the best one available.
        trust_checkpoint (bool): Load the checkpoint even if it holds pickled code.
        pa_config (str | PathLike, optional): Config of ``pa``. Defaults to the one that
            stands beside it.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a config lacks what it is named for, or something does not load.
    """
    device = device or str(get_device())
    init_default_scope('mmdet')
    cfg = load_config(vlm) if _is_config(vlm) else Config()
    if _is_config(vlm) and cfg.get('vlm') is None:
        raise ValueError(f'{vlm} has no vlm; see configs/ovis/generate_*.py')
    with building(f'source of {vlm}'):
        source = dict(cfg.get('source') or {})
        chosen = {key: source[key] for key in ('preset', 'chooser') if key in source}
        chooser = GradCamSource(vocabulary=['any'], **chosen).chooser
    if pa is None:
        provider = _build_provider(proposals, source.get('proposals'), vlm)
    elif proposals is None:
        provider = AffinityProposals(
            pa_config or find_config(pa),
            pa,
            device=device,
            trust_checkpoint=trust_checkpoint,
        )
    else:
        raise ValueError(
            'proposals come from --proposals or from the network of --pa, not from both'
        )
    with building(f'search of {vlm}'):
        search = {'type': 'IterativeMasking', **(cfg.get('search') or {})}
        search = TASK_UTILS.build(search)
    with building(f'vlm of {vlm}'):
        model = MODELS.build(cfg.get('vlm') or _vlm_config(os.fspath(vlm)))
    return Explainer(model.to(device), provider, search, chooser)


def _refuse_files(provider: ProposalProvider) -> None:
    """Insist on a provider that looks at the image.

    Raises:
        ValueError: If it, or the one that it refines, reads a file instead.
    """
    while provider is not None:
        if isinstance(provider, FileProposals):
            raise ValueError(
                f'proposals of {provider.file} are of the images of a dataset, by '
                'their ids, and not of these; take --proposals selective_search or '
                'grid, the groups of --pa, or a config with another provider'
            )
        provider = getattr(provider, 'provider', None)


def _is_config(text: str | os.PathLike) -> bool:
    return Path(text).suffix == '.py'


def _vlm_config(text: str) -> dict[str, Any]:
    kind, _, checkpoint = text.partition(':')
    if kind not in VLM_KINDS or not checkpoint:
        kind, checkpoint = 'blip', text
    return dict(type=VLM_KINDS[kind], checkpoint=checkpoint)


def _build_provider(
    proposals: str | os.PathLike | None,
    configured: Mapping[str, Any] | None,
    vlm: str | os.PathLike,
) -> ProposalProvider:
    if proposals is None:
        with building(f'source.proposals of {vlm}'):
            return TASK_UTILS.build(
                dict(configured or {'type': SelectiveSearchProposals.__name__})
            )
    if not _is_config(proposals):
        if proposals not in _PROVIDERS:
            raise ValueError(
                f'proposals are {" or ".join(_PROVIDERS)}, or of a config (.py), not '
                f"'{proposals}'"
            )
        return _PROVIDERS[proposals]()
    cfg = load_config(proposals)
    wanted = cfg.get('proposals') or (cfg.get('source') or {}).get('proposals')
    if wanted is None:
        raise ValueError(
            f'{proposals} has neither proposals nor source.proposals; groups of an '
            'affinity network come with --pa CHECKPOINT'
        )
    with building(f'proposals of {proposals}'):
        return TASK_UTILS.build(dict(wanted))
