"""What a student has to know of an image: its words, and what people annotated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ...structures.vocabulary import name_key

CAPTION_KEYS: Final = ('caption_words', 'caption_labels', 'has_gt')
"""What stands in the ``metainfo`` of every sample."""


def check_sample(sample: DetDataSample) -> None:
    """Insist that the pipeline hands on what is known of an image.

    Without it, images would seem to have no words, or to be annotated.

    Args:
        sample (DetDataSample): See :class:`.CrossModalPseudoLabel`.

    Raises:
        ValueError: If its ``metainfo`` lacks one of :data:`CAPTION_KEYS`, or it is
            annotated but has no boxes.
    """
    missing = [key for key in CAPTION_KEYS if key not in sample.metainfo]
    if missing:
        raise ValueError(
            f'the samples do not say {", ".join(missing)}; add it to the meta_keys of '
            'PackDetInputs at the end of the pipeline, and take a dataset that knows '
            'it, such as CaptionedOVCocoDataset'
        )
    if has_gt(sample) and 'bboxes' not in sample.get('gt_instances', ()):
        raise ValueError(
            'the samples have no annotated objects, which the teacher leaves alone; '
            "add dict(type='LoadAnnotations', with_bbox=True) before Resize to the "
            'pipeline'
        )


def has_gt(sample: DetDataSample) -> bool:
    """Say whether people annotated the image, were it with nothing."""
    return bool(sample.metainfo['has_gt'])


def labelled_boxes(sample: DetDataSample) -> Tensor | None:
    """Collect what is not for words, because people have marked it.

    Args:
        sample (DetDataSample): A sample that :func:`check_sample` accepts.

    Returns:
        Tensor | None: (m, 4) xyxy, boxes of annotated objects, and behind them those of
        regions that are to be ignored, such as crowds; None if nobody annotated the
        image.
    """
    if not has_gt(sample):
        return None
    boxes = sample.gt_instances.bboxes
    ignored = sample.get('ignored_instances', ())
    return torch.cat([boxes, ignored.bboxes]) if 'bboxes' in ignored else boxes


def labelled_objects(
    sample: DetDataSample, vocabulary: Sequence[str], caption_vocabulary: Sequence[str]
) -> InstanceData | None:
    """Say what annotated objects are in the words of captions.

    Args:
        sample (DetDataSample): A sample that :func:`check_sample` accepts.
        vocabulary (Sequence[str]): Names of its labels.
        caption_vocabulary (Sequence[str]): Names that words of captions stand for.

    Returns:
        InstanceData | None: ``bboxes`` as :func:`labelled_boxes` gives them, and
        ``labels`` (m,) int64, places in the caption vocabulary, -1 for names that it
        does not have and for what is to be ignored.
    """
    boxes = labelled_boxes(sample)
    if boxes is None:
        return None
    places = {name_key(name): place for place, name in enumerate(caption_vocabulary)}
    known = sample.gt_instances.labels
    of_label = known.new_tensor([places.get(name_key(name), -1) for name in vocabulary])
    labels = known.new_full((len(boxes),), -1)
    labels[: len(known)] = of_label[known]
    return InstanceData(bboxes=boxes, labels=labels)
