"""Negatives that may be objects which nobody labelled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from torch import Tensor

from ...layers.embedding_classifier import class_scores


def weigh_unlabelled_negatives(
    cls_score: Tensor,
    sampling_results: Sequence[SamplingResult],
    min_objectness: float = 0.9,
    min_score: float = 0.5,
) -> None:
    """Give weight 0 to negatives that look like an object of the vocabulary.

    Pseudo labels are incomplete, so some negatives are objects. Those are left out that
    the RPN takes for an object and the classifier for one of the words: of objectness
    and of score above the thresholds. The score is that of the best class against the
    background alone, so it does not depend on the size of the vocabulary.

    Args:
        cls_score (Tensor): (N, C + 1) logits of the samples of all images, in each
            image positives before negatives; not differentiated.
        sampling_results (Sequence[SamplingResult]): One an image, with ``neg_scores``.
            Get ``neg_weights`` (num_neg,) float32, or theirs multiplied.
        min_objectness (float): Threshold in [0, 1]. Defaults to 0.9.
        min_score (float): Threshold in [0, 1]. Defaults to 0.5.

    Raises:
        ValueError: If the sampler did not pass on objectness.
    """
    scores = class_scores(cls_score.detach(), 'sigmoid')[:, :-1].amax(1)
    numbers = [
        len(result.pos_priors) + len(result.neg_priors) for result in sampling_results
    ]
    for result, of_image in zip(sampling_results, scores.split(numbers), strict=True):
        if not hasattr(result, 'neg_scores'):
            raise ValueError(
                'ignore_unlabelled_neg needs the objectness of negatives; set '
                "train_cfg.rcnn.sampler.type='ObjectnessRandomSampler'"
            )
        looks_like_one = (result.neg_scores > min_objectness) & (
            of_image[len(result.pos_priors) :] > min_score
        )
        weights = torch.where(looks_like_one, 0.0, 1.0)
        result.neg_weights = weights * getattr(result, 'neg_weights', 1.0)
