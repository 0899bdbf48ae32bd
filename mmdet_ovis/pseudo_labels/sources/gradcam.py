"""Masks of the words of a caption, by where a vision-language model sees them.

Source: Mask-free OVIS (VS et al., CVPR 2023).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from mmdet.registry import TASK_UTILS

from ...structures.proposals import Proposals
from ...structures.pseudo_annotation import PseudoAnnotation
from ...structures.vocabulary import Vocabulary
from ...utils.settings import check_choice
from ..box_choice import BoxChoice, BoxChooser
from ..crop_segmentation import CropMask, CropTask
from ..filters import suppress_overlaps
from ..mask_cleaning import MaskCleaning, encode_mask
from ..proposals.base import ProposalProvider
from .base import (
    NO_WORD,
    DroppedPhrase,
    PseudoLabelSource,
    SourceOutput,
    build_annotations,
)
from .gradcam_evidence import FoundObject, GradCamEvidence, check_sizes

FLAT: Final = 'flat_activation'
NO_PROPOSAL: Final = 'no_proposal'
LOW_CONFIDENCE: Final = 'low_confidence'
DUPLICATE: Final = 'duplicate'


@dataclass(frozen=True)
class _Preset:
    chooser: BoxChooser
    segmenter: Mapping[str, Any]
    cleaning: MaskCleaning
    min_box_conf: float | None
    nms_iou: float | None


PRESETS: Final[Mapping[str, _Preset]] = MappingProxyType(
    {
        'default': _Preset(
            BoxChooser(), {'type': 'ClusteringSegmenter'}, MaskCleaning(), 0.3, 0.7
        ),
        'compat': _Preset(
            BoxChooser.compat(),
            {'type': 'CompatClusteringSegmenter'},
            MaskCleaning.compat(),
            None,
            None,
        ),
    }
)
"""``compat`` does what the code of Mask-free OVIS does, step by step."""

_OF_PRESET: Final = 'preset'


@TASK_UTILS.register_module()
class GradCamSource(PseudoLabelSource):
    """Choose a box for each activation, and cut the object out of it.

    Args:
        vocabulary (Sequence[str] | Vocabulary): Names of the classes; category ids
            follow their order, from 1.
        preset (str): What the other arguments are where they are left out:
            ``'default'`` or ``'compat'``.
        chooser (Mapping, optional): Arguments of
            :class:`~mmdet_ovis.pseudo_labels.box_choice.BoxChooser`.
        segmenter (Mapping, optional): Config of a
            :class:`~mmdet_ovis.pseudo_labels.crop_segmentation.CropSegmenter`.
        cleaning (Mapping, optional): Arguments of
            :class:`~mmdet_ovis.pseudo_labels.mask_cleaning.MaskCleaning`. With
            segmenters that fill boxes, ``max_area_ratio`` is 1 if it is left out.
        min_box_conf (float | str, optional): Least agreement of activation and box, in
            [0, 1]; None keeps all. Defaults to ``'preset'``: 0.3, or None in
            ``compat``.
        nms_iou (float | str, optional): A mask that overlaps a better one of its class
            by more than this IoU is dropped; None keeps all. Defaults to ``'preset'``:
            0.7, or None in ``compat``.
        proposals (Mapping, optional): Config of a
            :class:`~mmdet_ovis.pseudo_labels.proposals.ProposalProvider`, for images
            whose evidence brings no proposals along.

    Raises:
        ValueError: If the preset or a key is unknown, or a value out of its range.
    """

    name = 'gradcam'
    evidence = GradCamEvidence

    def __init__(
        self,
        vocabulary: Sequence[str] | Vocabulary,
        preset: str = 'default',
        chooser: Mapping[str, Any] | None = None,
        segmenter: Mapping[str, Any] | None = None,
        cleaning: Mapping[str, Any] | None = None,
        min_box_conf: float | str | None = _OF_PRESET,
        nms_iou: float | str | None = _OF_PRESET,
        proposals: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice('preset', preset, PRESETS)
        chosen = PRESETS[preset]
        if not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.of(vocabulary)
        self.vocabulary = vocabulary
        self.chooser = _change('chooser', chosen.chooser, chooser)
        self.segmenter = TASK_UTILS.build(dict(segmenter or chosen.segmenter))
        usual = chosen.cleaning
        if self.segmenter.fills_boxes:
            usual = replace(usual, max_area_ratio=1.0)
        self.cleaning = _change('cleaning', usual, cleaning)
        self.min_box_conf = _fraction(
            'min_box_conf',
            chosen.min_box_conf if min_box_conf == _OF_PRESET else min_box_conf,
        )
        self.nms_iou = _fraction(
            'nms_iou', chosen.nms_iou if nms_iou == _OF_PRESET else nms_iou
        )
        self.provider: ProposalProvider | None = None
        if proposals is not None:
            self.provider = TASK_UTILS.build(dict(proposals))

    @property
    def parameters(self) -> dict[str, Any]:
        """Classes, choice of boxes, segmentation, cleaning and thresholds."""
        return {
            'vocabulary': list(self.vocabulary.names),
            'chooser': asdict(self.chooser),
            'segmenter': self.segmenter.parameters,
            'cleaning': asdict(self.cleaning),
            'min_box_conf': self.min_box_conf,
            'nms_iou': self.nms_iou,
            'proposals': self.provider and self.provider.parameters,
        }

    def annotate(self, evidence: GradCamEvidence) -> SourceOutput:
        """Make the annotations of one image.

        Args:
            evidence (GradCamEvidence): Image, activations and proposals.

        Returns:
            SourceOutput: Annotations by ``box_conf``; what became of the other phrases
            stands in ``dropped``; seconds of ``proposals``, ``boxes``,
            ``segmentation`` and ``cleaning``.

        Raises:
            ValueError: If a phrase is not in the vocabulary, there are no proposals and
                no provider, or image and proposals are not of the size of the evidence.
        """
        begin = time.perf_counter()
        evidence = self._propose(evidence)
        check_sizes(evidence)
        start = time.perf_counter()
        found, dropped = self._choose_boxes(evidence)
        chosen_at = time.perf_counter()
        masks = self.segmenter.segment([item.task for item in found])
        segmented_at = time.perf_counter()
        found, masks = self._clean(found, masks, dropped)
        annotations = self._suppress(self._build(evidence, found, masks), dropped)
        seconds = {
            'proposals': start - begin,
            'boxes': chosen_at - start,
            'segmentation': segmented_at - chosen_at,
            'cleaning': time.perf_counter() - segmented_at,
        }
        return SourceOutput(annotations, seconds, dropped)

    def _propose(self, evidence: GradCamEvidence) -> GradCamEvidence:
        if evidence.proposals is not None:
            return evidence
        if self.provider is None:
            raise ValueError(
                f'image_id {evidence.image_id} has no proposals; give GradCamSource '
                'proposals, the config of a provider'
            )
        if not evidence.activations:
            found = Proposals.empty(evidence.ori_shape)
        else:
            found = self.provider.propose(
                evidence.image, evidence.image_id, evidence.file_name
            )
        return replace(evidence, proposals=found, provider=self.provider.name)

    def _choose_boxes(
        self, evidence: GradCamEvidence
    ) -> tuple[list[FoundObject], list[DroppedPhrase]]:
        found: list[FoundObject] = []
        dropped: list[DroppedPhrase] = []
        if not evidence.activations:
            dropped.append(DroppedPhrase('', NO_WORD))
        occurrences: Counter[str] = Counter()
        for activation in evidence.activations:
            name = activation.phrase.name
            label = self.vocabulary.index(name)
            key = (evidence.image_id, name, occurrences[name])
            occurrences[name] += 1
            if FLAT in activation.flags:
                dropped.append(DroppedPhrase(name, FLAT))
                continue
            choice = self.chooser(activation.box_map, evidence.proposals)
            reason = self._reason_against(choice)
            if reason is not None:
                dropped.append(DroppedPhrase(name, reason))
                continue
            task = CropTask(
                evidence.image,
                choice.box,
                activation.prompt,
                activation.box_map,
                key,
                evidence.proposals,
            )
            found.append(FoundObject(activation, choice, task, label))
        return found, dropped

    def _reason_against(self, choice: BoxChoice | None) -> str | None:
        if choice is None:
            return NO_PROPOSAL
        if self.min_box_conf is not None and choice.box_conf < self.min_box_conf:
            return LOW_CONFIDENCE
        return None

    def _clean(
        self,
        found: Sequence[FoundObject],
        masks: Sequence[CropMask],
        dropped: list[DroppedPhrase],
    ) -> tuple[list[FoundObject], list[np.ndarray]]:
        kept, cleaned = [], []
        for item, raw in zip(found, masks, strict=True):
            reason = raw.reason
            if raw.mask is not None:
                result = self.cleaning(raw.mask, item.choice.box)
                reason = result.reason
            if reason is not None:
                dropped.append(DroppedPhrase(item.activation.phrase.name, reason))
                continue
            kept.append(item)
            cleaned.append(result.mask)
        return kept, cleaned

    def _build(
        self,
        evidence: GradCamEvidence,
        found: Sequence[FoundObject],
        masks: Sequence[np.ndarray],
    ) -> list[PseudoAnnotation]:
        order = sorted(range(len(found)), key=lambda i: -found[i].choice.box_conf)
        chosen = [found[i] for i in order]
        return build_annotations(
            evidence,
            [encode_mask(masks[i]) for i in order],
            [item.choice.box_conf for item in chosen],
            self.name,
            [item.label + 1 for item in chosen],
            extras=[item.extras(self.vocabulary, evidence.provider) for item in chosen],
        )

    def _suppress(
        self, annotations: list[PseudoAnnotation], dropped: list[DroppedPhrase]
    ) -> list[PseudoAnnotation]:
        """Keep the best of masks of one class that show the same."""
        if self.nms_iou is None:
            return annotations
        kept = set()
        for category in {ann['category_id'] for ann in annotations}:
            same = [ann for ann in annotations if ann['category_id'] == category]
            kept |= {ann['rank'] for ann in suppress_overlaps(same, self.nms_iou)}
        dropped += [
            DroppedPhrase(ann['word'], DUPLICATE)
            for ann in annotations
            if ann['rank'] not in kept
        ]
        chosen = [ann for ann in annotations if ann['rank'] in kept]
        return [{**ann, 'rank': rank} for rank, ann in enumerate(chosen)]


def _change(what: str, settings: Any, changes: Mapping[str, Any] | None) -> Any:
    """Return settings with some of them changed."""
    known = asdict(settings)
    unknown = sorted(set(changes or {}) - set(known))
    if unknown:
        raise ValueError(f'{what} takes {", ".join(known)}, not {", ".join(unknown)}')
    return type(settings)(**{**known, **(changes or {})})


def _fraction(what: str, value: float | None) -> float | None:
    is_number = isinstance(value, (int, float))
    if value is not None and not (is_number and 0 <= value <= 1):
        raise ValueError(f"{what} is in [0, 1], None or 'preset', not {value!r}")
    return value
