"""How a teacher turns the words of captions into instances.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022): each word is aligned with a proposal, which the teacher
refines and draws a mask in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from ...utils.settings import check_choice
from ..layers.region_choice import CHOICES, choose_regions, word_similarities

MASK_BOXES = ('same', 'refined')


@dataclass(frozen=True)
class Alignment:
    """How words find their regions, and regions become instances.

    Args:
        choice (str): See :func:`~mmdet_ovis.models.layers.choose_regions`, as the next
            two. Defaults to ``'greedy'``.
        max_overlap (float): Defaults to 0.5.
        min_similarity (float, optional): Defaults to None.
        normalize_visual (bool): Compare directions of projected regions, so that those
            of great norm are not favoured. Defaults to True.
        objectness_weight (float): How much of the objectness of a proposal is added to
            its similarity, so that of boxes that show the same thing one is chosen that
            fits. Defaults to 0.1.
        max_candidates (int): Best proposals that are compared. Defaults to 300.
        labelled_iou_thr (float, optional): Proposals with this IoU with an annotated
            object are not for words: that object has a label. Defaults to 0.5; None:
            annotations are not looked at.
        refinements (int): How often the box is refined, at least once. Defaults to 1.
        mask_box (str): ``'same'``: the mask is predicted in the box that it is drawn
            in; ``'refined'``: in this box refined once more, but drawn in this one, as
            the published code does it. Defaults to ``'same'``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    choice: str = 'greedy'
    max_overlap: float = 0.5
    min_similarity: float | None = None
    normalize_visual: bool = True
    objectness_weight: float = 0.1
    max_candidates: int = 300
    labelled_iou_thr: float | None = 0.5
    refinements: int = 1
    mask_box: str = 'same'

    def __post_init__(self) -> None:
        check_choice('choice', self.choice, CHOICES)
        check_choice('mask_box', self.mask_box, MASK_BOXES)
        if self.max_candidates < 1 or self.refinements < 1:
            raise ValueError('max_candidates and refinements are positive numbers')
        if not 0 < self.max_overlap <= 1:
            raise ValueError(f'max_overlap is in (0, 1], not {self.max_overlap}')
        if self.labelled_iou_thr is not None and not 0 < self.labelled_iou_thr <= 1:
            raise ValueError(
                f'labelled_iou_thr is in (0, 1] or None, not {self.labelled_iou_thr}'
            )


@dataclass(frozen=True)
class ImageWords:
    """Words of the captions of an image.

    Args:
        words (tuple[str, ...]): W words.
        labels (tuple[int, ...]): What they stand for, places in the caption vocabulary.
    """

    words: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)


class RegionLabellingMixin:
    """Makes a RoI head label regions with words.

    Stands before ``StandardRoIHead`` among the bases of a class whose box head is an
    ``EmbeddingBBoxHead`` and whose mask head is class-agnostic.
    """

    alignment: Alignment

    @torch.no_grad()
    def label_regions(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        words: Sequence[ImageWords],
        vectors: Sequence[Tensor],
        batch_img_metas: list[dict],
        labelled: Sequence[Tensor],
        rescale: bool = False,
    ) -> InstanceList:
        """Turn the words of images into instances.

        Args:
            x (tuple[Tensor]): Feature maps of B images.
            proposals (list[InstanceData]): B times ``bboxes`` (n, 4) xyxy in pixels of
                the network's input, and ``scores`` (n,), their objectness, best first.
            words (Sequence[ImageWords]): B times W words.
            vectors (Sequence[Tensor]): B times (W, D), their text vectors.
            batch_img_metas (list[dict]): B times ``img_shape``, ``ori_shape`` and
                ``scale_factor``.
            labelled (Sequence[Tensor]): B times (m, 4), boxes of annotated objects.
            rescale (bool): Give boxes and masks at the size of the file, not at that of
                the input. Defaults to False.

        Returns:
            list[InstanceData]: B times at most W instances in the order of the words:
            ``bboxes`` (k, 4), ``labels`` (k,), ``scores`` (k,) float32 in [0, 1], the
            sigmoid of the similarity, ``masks`` (k, h, w) bool, and ``word_inds`` (k,)
            int64, the place of the word. Instances without a pixel are left out.
            ``is_finite`` (bool tensor) in the metainfo says whether all that was
            compared and refined are finite numbers; what is not finds nothing.
        """
        candidates = [found[: self.alignment.max_candidates] for found in proposals]
        boxes = [found.bboxes for found in candidates]
        embeddings, refined = self._embed(x, boxes, batch_img_metas)
        results = [
            self._choose(*of_image)
            for of_image in zip(
                candidates, embeddings, refined, words, vectors, labelled, strict=True
            )
        ]
        for _ in range(self.alignment.refinements - 1):
            self._refine(x, results, batch_img_metas)
        return self._draw(x, results, batch_img_metas, rescale)

    def _embed(
        self, x: tuple[Tensor, ...], boxes: Sequence[Tensor], metas: list[dict]
    ) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Project and refine the boxes of each image."""
        rois = bbox2roi(list(boxes))
        features = self.bbox_roi_extractor(
            x[: self.bbox_roi_extractor.num_inputs], rois
        )
        if self.with_shared_head:
            features = self.shared_head(features)
        embeddings, deltas = self.bbox_head.embed(features)
        numbers = [len(of_image) for of_image in boxes]
        refined = [
            self.bbox_head.bbox_coder.decode(
                of_image, of_deltas.float(), max_shape=meta['img_shape']
            )
            for of_image, of_deltas, meta in zip(
                boxes, deltas.split(numbers), metas, strict=True
            )
        ]
        return embeddings.split(numbers), refined

    def _choose(
        self,
        candidates: InstanceData,
        embeddings: Tensor,
        refined: Tensor,
        words: ImageWords,
        vectors: Tensor,
        labelled: Tensor,
    ) -> InstanceData:
        """Choose the regions of one image."""
        how, boxes = self.alignment, candidates.bboxes
        similarities = word_similarities(embeddings, vectors, how.normalize_visual)
        allowed = None
        if how.labelled_iou_thr is not None and len(labelled) and len(boxes):
            overlaps = bbox_overlaps(boxes, labelled).amax(1)
            allowed = overlaps < how.labelled_iou_thr
        regions = choose_regions(
            similarities,
            boxes,
            how.choice,
            how.max_overlap,
            allowed,
            how.min_similarity,
            how.objectness_weight * candidates.scores,
        )
        word_inds = (regions >= 0).nonzero()[:, 0]
        regions = regions[word_inds]
        said = (similarities, refined, candidates.scores)
        # A tensor: training, which does not ask, does not wait for the device.
        is_finite = torch.stack([values.isfinite().all() for values in said]).all()
        return InstanceData(
            metainfo=dict(is_finite=is_finite),
            bboxes=refined[regions],
            labels=torch.tensor(words.labels, device=boxes.device, dtype=torch.long)[
                word_inds
            ],
            scores=similarities[word_inds, regions].sigmoid(),
            word_inds=word_inds,
        )

    def _refine(
        self, x: tuple[Tensor, ...], results: InstanceList, metas: list[dict]
    ) -> None:
        _, refined = self._embed(x, [result.bboxes for result in results], metas)
        for result, boxes in zip(results, refined, strict=True):
            result.bboxes = boxes

    def _draw(
        self,
        x: tuple[Tensor, ...],
        results: InstanceList,
        metas: list[dict],
        rescale: bool,
    ) -> InstanceList:
        """Draw a mask in each box."""
        boxes = [result.bboxes for result in results]
        if self.alignment.mask_box == 'refined':
            _, boxes = self._embed(x, boxes, metas)
        masks = self._mask_forward(x, bbox2roi(boxes))['mask_preds']
        drawn = self.mask_head.predict_by_feat(
            mask_preds=masks.float().split([len(result) for result in results]),
            results_list=results,
            batch_img_metas=metas,
            rcnn_test_cfg=self.test_cfg,
            rescale=rescale,
        )
        return [result[result.masks.flatten(1).any(1)] for result in drawn]
