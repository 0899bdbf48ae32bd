"""Pretraining of a detector's trunk on images and captions.

OVR-CNN, "Open-Vocabulary Object Detection Using Captions" (A. Zareian et al., CVPR
2021), whose weights XPM/CMPL (D. Huynh et al., CVPR 2022) starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox2roi
from mmengine.model import BaseModel, ModuleDict
from torch import Tensor, nn

from ...language.caption_tokens import CaptionTokens, TokenizedCaption
from ..losses.grounding_loss import TEMPERATURE, grounding_losses, grounding_scores
from .caption_batch import CaptionBatch
from .image_regions import (
    Regions,
    cell_centres,
    draw_cells,
    grid_boxes,
    pad_boxes,
    relative_centres,
    valid_cells,
)


@MODELS.register_module()
class CaptionGrounding(BaseModel):
    """Learns a projection of image regions into a space of words, from captions alone.

    The cells of a feature map are regions, or boxes that cover the image and pass
    through the layers of a box head. ``fc_emb`` projects them into the space of fixed
    text vectors, words of a caption and regions attend to each other, and the distances
    that follow have to tell which caption of a batch belongs to which image, see
    :func:`~mmdet_ovis.models.losses.grounding_loss.grounding_losses`. That is OVR-CNN's
    grounding head; of its transformer head, which is thrown away after pretraining, the
    masked-language loss is there on demand.

    Parameters have the names that they have in a detector with an
    ``EmbeddingBBoxHead``: ``backbone``, ``neck``, ``roi_head.shared_head`` and
    ``roi_head.bbox_head.fc_emb``. So a detector takes all that it has itself with
    ``load_from``, or a part with
    ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')``.

    Captions and images are compared within the batch of one process: of several
    processes, each has the negatives of its own batch only, as in OVR-CNN. If not all
    levels of a neck are used, distributed training needs
    ``find_unused_parameters=True``.

    Args:
        backbone (dict): Config of the backbone.
        tokens (dict): Config of what makes tokens of captions,
            :class:`~mmdet_ovis.language.caption_tokens.WordPieceTokens` or
            :class:`~mmdet_ovis.language.caption_tokens.BankTokens`.
        in_channels (int, optional): Channels C of the feature map whose cells are
            projected. Defaults to None: regions are boxes.
        embed_dim (int, optional): Dimension D of the text vectors. Defaults to None: as
            above.
        neck (dict, optional): Config of a neck.
        shared_head (dict, optional): Config of what stands between a C4 backbone and
            the box head, ``res5``. It sees the whole map where regions are cells, and
            each box where they are boxes.
        level (int): Which feature map, of several.
        bbox_roi_extractor (dict, optional): Config of what crops boxes from the maps.
        bbox_head (dict, optional): Config of the detector's ``EmbeddingBBoxHead``,
            whose layers project boxes.
        box_sizes (Sequence[float], optional): Sides of the boxes, px, see
            :func:`.image_regions.grid_boxes`.
        max_regions (int): Regions of an image that take part in training, drawn at
            random.
        temperature (float): What scores are divided by, above 0.
        masked_language (dict, optional): Config of a
            :class:`.masked_language_head.MaskedLanguageHead`. Words that it masks do
            not take part in grounding. Defaults to None.
        data_preprocessor (dict, optional): Config.
        init_cfg (dict, optional): Initial weights.

    Raises:
        ValueError: If ``max_regions`` or ``temperature`` is out of its range, or it is
            not clear whether cells or boxes are regions; in the first step, if the text
            vectors are not of ``embed_dim`` dimensions.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        tokens: dict[str, Any],
        in_channels: int | None = None,
        embed_dim: int | None = None,
        neck: dict[str, Any] | None = None,
        shared_head: dict[str, Any] | None = None,
        level: int = -1,
        bbox_roi_extractor: dict[str, Any] | None = None,
        bbox_head: dict[str, Any] | None = None,
        box_sizes: Sequence[float] | None = None,
        max_regions: int = 100,
        temperature: float = TEMPERATURE,
        masked_language: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if max_regions < 1:
            raise ValueError(f'max_regions is at least 1, not {max_regions}')
        if not temperature > 0:
            raise ValueError(f'temperature is above 0, not {temperature}')
        of_boxes = (bbox_roi_extractor, bbox_head, box_sizes)
        if not _exclude((in_channels, embed_dim), of_boxes):
            raise ValueError(
                'regions are cells (in_channels and embed_dim) or boxes '
                '(bbox_roi_extractor, bbox_head and box_sizes)'
            )
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)
        heads: dict[str, nn.Module] = {}
        if shared_head is not None:
            heads['shared_head'] = MODELS.build(shared_head)
        if box_sizes is None:
            projection = {'fc_emb': nn.Linear(in_channels, embed_dim)}
            heads['bbox_head'] = ModuleDict(projection)
        else:
            heads['bbox_roi_extractor'] = MODELS.build(bbox_roi_extractor)
            heads['bbox_head'] = MODELS.build(bbox_head)
        self.roi_head = ModuleDict(heads)
        self.tokens: CaptionTokens = TASK_UTILS.build(tokens)
        self.level = level
        self.box_sizes = box_sizes
        self.max_regions = max_regions
        self.temperature = temperature
        self.masked_language = None
        if masked_language is not None:
            self.masked_language = MODELS.build(
                masked_language, default_args=dict(embed_dim=self.fc_emb.out_features)
            )
        self._table: Tensor | None = None

    @property
    def fc_emb(self) -> nn.Linear:
        """Projection of a region into the space of words."""
        head = self.roi_head['bbox_head']
        return head['fc_emb'] if self.box_sizes is None else head.fc_emb

    def forward(
        self,
        inputs: Tensor,
        data_samples: SampleList | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[DetDataSample] | Tensor:
        """Run the network in one of three modes, as all models of MMEngine do.

        ``'tensor'`` gives the map of :meth:`extract_feat`.

        Raises:
            ValueError: If the mode is unknown.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.extract_feat(inputs)
        raise ValueError(f"mode is 'loss', 'predict' or 'tensor', not {mode!r}")

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Return the feature map whose cells are regions, (B, C, h, w).

        Args:
            inputs (Tensor): (B, 3, H, W), images padded at the right and at the bottom.
        """
        feature_map = self._extract_levels(inputs)[self.level]
        if 'shared_head' in self.roi_head:
            feature_map = self.roi_head['shared_head'](feature_map)
        return feature_map

    def _extract_levels(self, inputs: Tensor) -> tuple[Tensor, ...]:
        features = self.backbone(inputs)
        return features if self.neck is None else self.neck(features)

    def embed_boxes(self, inputs: Tensor, boxes: Tensor) -> Tensor:
        """Project boxes into the space of words.

        Args:
            inputs (Tensor): (B, 3, H, W).
            boxes (Tensor): (B, K, 4) xyxy, px.

        Returns:
            Tensor: (B, K, D).
        """
        levels = self._extract_levels(inputs)
        extractor = self.roi_head['bbox_roi_extractor']
        rois = bbox2roi(list(boxes.to(inputs.device)))
        features = extractor(levels[: extractor.num_inputs], rois)
        if 'shared_head' in self.roi_head:
            features = self.roi_head['shared_head'](features)
        embeddings, _ = self.roi_head['bbox_head'].embed(features)
        return embeddings.unflatten(0, boxes.shape[:2])

    def _draw_regions(self, inputs: Tensor, data_samples: SampleList) -> Regions:
        """Draw regions at random."""
        shapes = [sample.img_shape for sample in data_samples]
        if self.box_sizes is not None:
            boxes, valid = pad_boxes([grid_boxes(s, self.box_sizes) for s in shapes])
            drawn, mask = draw_cells(valid, self.max_regions)
            boxes = boxes[torch.arange(len(boxes))[:, None], drawn]
            vectors = self.embed_boxes(inputs, boxes)
            centres = (boxes[..., :2] + boxes[..., 2:]) / 2
        else:
            features = self.extract_feat(inputs)
            padded, grid = inputs.shape[-2:], features.shape[-2:]
            valid = valid_cells(shapes, padded, grid)
            drawn, mask = draw_cells(valid.flatten(1), self.max_regions)
            cells = features.flatten(2).transpose(1, 2)  # B x hw x C
            vectors = self.fc_emb(cells[torch.arange(len(cells))[:, None], drawn])
            centres = cell_centres(padded, grid)[drawn]
        centres = relative_centres(centres, shapes)
        return Regions(vectors, mask.to(vectors.device), centres.to(vectors.device))

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Return the losses of a batch and, for the log, the accuracy in per cent.

        Args:
            inputs (Tensor): (B, 3, H, W).
            data_samples (SampleList): With ``caption`` and ``img_shape`` in
                ``metainfo``.
        """
        regions = self._draw_regions(inputs, data_samples)
        words = self.encode(data_samples).to(regions.vectors.device)
        if self.masked_language is None:
            return self._grounding_losses(words, words.mask, regions)
        guessed, hidden = self.masked_language.draw(words.mask)
        return {
            **self._grounding_losses(words, words.mask & ~hidden, regions),
            **self.masked_language.loss(
                words, regions, guessed, hidden, self._all_tokens(regions.vectors)
            ),
        }

    def _grounding_losses(
        self, words: CaptionBatch, mask: Tensor, regions: Regions
    ) -> dict[str, Tensor]:
        return grounding_losses(
            words.vectors, mask, regions.vectors, regions.mask, self.temperature
        )

    def _all_tokens(self, like: Tensor) -> Tensor:
        """Return the table of text vectors where a tensor is, copied there once."""
        if self._table is None or self._table.device != like.device:
            self._table = torch.from_numpy(self.tokens.table).to(like.device)
        return self._table

    def encode(self, data_samples: Sequence[DetDataSample]) -> CaptionBatch:
        """Make words of the captions of a batch.

        Args:
            data_samples (Sequence[DetDataSample]): With ``caption`` in ``metainfo``.

        Returns:
            CaptionBatch: On the CPU; W is the number of words of the longest caption,
            and at least 1.
        """
        captions = [self._tokenize(sample) for sample in data_samples]
        return CaptionBatch.of(captions, self.fc_emb.out_features)

    def predict(self, inputs: Tensor, data_samples: SampleList) -> list[DetDataSample]:
        """Say where the words of captions are.

        Sets ``words``, the n tokens of the caption of an image, and ``word_maps``,
        (n, h, w) float32 scores of the cells that lie in the image, without padding;
        resized to the image they can be compared with objects (see
        ``evaluation.functional.pointing_game``). Where regions are boxes, sets in their
        place ``word_boxes`` (n, 4) xyxy, px, the best box of each word, and
        ``word_scores`` (n,).
        """
        if self.box_sizes is not None:
            return self._predict_boxes(inputs, data_samples)
        features = self.extract_feat(inputs)
        shapes = [sample.img_shape for sample in data_samples]
        valid = valid_cells(shapes, inputs.shape[-2:], features.shape[-2:])
        for feature, cells, sample in zip(features, valid, data_samples, strict=True):
            height, width = int(cells.any(dim=1).sum()), int(cells.any(dim=0).sum())
            regions = self.fc_emb(feature[:, :height, :width].permute(1, 2, 0))
            caption = self._tokenize(sample)
            words = torch.from_numpy(caption.vectors).to(regions.device)
            scores = grounding_scores(
                words[None], regions.flatten(0, 1)[None], self.temperature
            )
            maps = scores.reshape(len(words), height, width)
            sample.set_data({'words': caption.texts, 'word_maps': maps})
        return data_samples

    def _predict_boxes(
        self, inputs: Tensor, data_samples: SampleList
    ) -> list[DetDataSample]:
        for image, sample in zip(inputs, data_samples, strict=True):
            boxes = grid_boxes(sample.img_shape, self.box_sizes)
            regions = self.embed_boxes(image[None], boxes[None])
            caption = self._tokenize(sample)
            words = torch.from_numpy(caption.vectors).to(regions.device)
            scores = grounding_scores(words[None], regions, self.temperature)
            best = scores.reshape(len(words), len(boxes)).max(dim=1)
            sample.set_data(
                {
                    'words': caption.texts,
                    'word_boxes': boxes[best.indices.cpu()],
                    'word_scores': best.values,
                }
            )
        return data_samples

    def _tokenize(self, sample: DetDataSample) -> TokenizedCaption:
        caption = self.tokens(sample.metainfo['caption'])
        if self.tokens.dim != self.fc_emb.out_features:
            raise ValueError(
                f'{self.tokens.source} holds vectors of {self.tokens.dim} dimensions, '
                f'but embed_dim is {self.fc_emb.out_features}'
            )
        return caption


def _exclude(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether all of one group are given, and none of the other."""
    one, other = ([value is not None for value in group] for group in (one, other))
    return (all(one) and not any(other)) or (all(other) and not any(one))
