"""Box head whose classes are words.

Mask-free OVIS (VS et al., CVPR 2023) and XPM/CMPL (Huynh et al., CVPR 2022) share it;
it goes back to OVR-CNN (Zareian et al., CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead, ConvFCBBoxHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...layers.class_nms import nms_by_class
from ...layers.embedding_classifier import EmbeddingClassifier, class_scores
from ...layers.vocabulary_mixin import VocabularyMixin
from .unlabelled_negatives import weigh_unlabelled_negatives
from .weighted_bbox_head import WeightedInstancesMixin

_LAYERS = ('shared_convs', 'shared_fcs', 'cls_convs', 'cls_fcs', 'reg_convs', 'reg_fcs')
_OF_LAYERS = ('conv_out_channels', 'fc_out_channels', 'conv_cfg', 'norm_cfg')


@MODELS.register_module()
class EmbeddingBBoxHead(VocabularyMixin, ConvFCBBoxHead):
    """Box head that compares projected regions with the text vectors of a vocabulary.

    ``fc_emb`` projects the features of a region into the text space, and an
    ``EmbeddingClassifier`` compares them with one vector a class. ``VocabularyHook``
    installs the names of each dataset by :meth:`set_vocabulary`, and ``num_classes``
    follows. Boxes are refined class-agnostically. So a checkpoint fits every
    vocabulary.

    Negatives weigh ``bg_weight`` in the classification loss, which is divided by the
    number of samples. A sampling result may carry ``neg_weights``, float (num_neg,):
    they multiply ``bg_weight``, and a sample of weight 0 does not count.

    Without layers of its own (the default) it stands right on what the RoI head
    extracts: after a shared ``res5`` with ``with_avg_pool=True``. With
    ``num_shared_fcs=2`` it is the open-vocabulary counterpart of mmdet's
    ``Shared2FCBBoxHead``.

    Args:
        embed_dim (int): Dimension of the text space.
        embeddings (str, optional): Text embedding bank (``.npz``) in which the vectors
            of names are looked up. It is read when it is needed. Defaults to None:
            vectors are passed with the names.
        vocabulary (Sequence[str], optional): Names of the classes, in the order of the
            labels. Defaults to None: to be installed later.
        logit_mode (str): See ``EmbeddingClassifier``, as the next four. Defaults to
            ``'dot'``.
        normalize_text (bool): Defaults to False.
        logit_scale (float | str, optional): Defaults to None.
        bg_mode (str): Defaults to ``'zero'``.
        class_chunk (int, optional): Defaults to None.
        bg_weight (float): Weight of a negative, above 0. Defaults to 0.2.
        freeze_emb (bool): Do not train ``fc_emb``. Defaults to False.
        score_mode (str): How logits become scores, see
            :func:`~mmdet_ovis.models.layers.embedding_classifier.class_scores`.
            Defaults to ``'softmax'``.
        top_m (int): For ``score_mode='softmax_topm'``. Defaults to 10.
        ignore_unlabelled_neg (dict, optional): Leave out negatives that look like
            objects that nobody labelled: arguments of
            :func:`~.unlabelled_negatives.weigh_unlabelled_negatives`. Needs a sampler
            that passes on objectness, such as ``ObjectnessRandomSampler``. Defaults to
            None (off).
        **kwargs: Arguments of ``ConvFCBBoxHead``, without ``num_classes``. All numbers
            of layers may be 0; ``reg_class_agnostic`` is True.

    Raises:
        ValueError: If an argument is out of its range or does not go with another.
    """

    def __init__(
        self,
        embed_dim: int = 512,
        embeddings: str | None = None,
        vocabulary: Sequence[str] | None = None,
        logit_mode: str = 'dot',
        normalize_text: bool = False,
        logit_scale: float | str | None = None,
        bg_mode: str = 'zero',
        class_chunk: int | None = None,
        bg_weight: float = 0.2,
        freeze_emb: bool = False,
        score_mode: str = 'softmax',
        top_m: int = 10,
        ignore_unlabelled_neg: Mapping[str, float] | None = None,
        **kwargs,
    ) -> None:
        _check_arguments(kwargs, bg_weight)
        class_scores(torch.zeros(1, 2), score_mode, top_m)  # refuses what it must
        self._init_layers(num_classes=0, **{'reg_class_agnostic': True, **kwargs})
        self.embeddings = embeddings
        self.bg_weight = bg_weight
        self.score_mode = score_mode
        self.top_m = top_m
        self.ignore_unlabelled_neg = ignore_unlabelled_neg
        # In place of the parent's layer, which had one output a class.
        self._modules.pop('fc_cls')
        self.fc_emb = nn.Linear(self.cls_last_dim, embed_dim)
        self.fc_emb.requires_grad_(not freeze_emb)
        self.classifier = EmbeddingClassifier(
            embed_dim, logit_mode, normalize_text, logit_scale, bg_mode, class_chunk
        )
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    def _init_layers(self, **kwargs) -> None:
        """Build the parent, which insists on at least one layer, also without any."""
        if any(kwargs.get(f'num_{layers}') for layers in _LAYERS):
            super().__init__(**kwargs)
            return
        for name in (*(f'num_{layers}' for layers in _LAYERS), *_OF_LAYERS):
            kwargs.pop(name, None)
        BBoxHead.__init__(self, **kwargs)
        for layers in _LAYERS:
            setattr(self, f'num_{layers}', 0)
            setattr(self, layers, nn.ModuleList())
        self.cls_last_dim = self._modules['fc_cls'].in_features

    @property
    def fc_cls(self) -> nn.Linear:
        """The layer in which the parent's ``forward`` ends; here it embeds."""
        return self.fc_emb

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Project regions into the text space, and refine them.

        Args:
            x (Tensor): (N, C, h, w) features of N regions.

        Returns:
            tuple[Tensor, Tensor]: Embeddings (N, D), as they are before any
            normalisation, and encoded boxes (N, 4).
        """
        return super().forward(x)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify and refine regions.

        Args:
            x (Tensor): (N, C, h, w) features of N regions.

        Returns:
            tuple[Tensor, Tensor]: Logits (N, classes + 1) float32, the background last,
            and encoded boxes (N, 4).
        """
        embeddings, bbox_pred = self.embed(x)
        return self.classifier(embeddings), bbox_pred

    def get_targets(
        self,
        sampling_results: list[SamplingResult],
        rcnn_train_cfg: ConfigType,
        concat: bool = True,
    ) -> tuple:
        """Compute targets and weights, see mmdet's ``BBoxHead``."""
        targets = super().get_targets(sampling_results, rcnn_train_cfg, concat=False)
        for result, weights in zip(sampling_results, targets[1], strict=True):
            num_pos = len(result.pos_priors)  # positives stand first
            weights[num_pos:] *= self.bg_weight
            if hasattr(result, 'neg_weights'):
                weights[num_pos:] *= result.neg_weights
        return tuple(map(torch.cat, targets)) if concat else targets

    def loss_and_target(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        sampling_results: list[SamplingResult],
        *args,
        **kwargs,
    ) -> dict:
        """Compute losses and targets, see mmdet's ``BBoxHead``."""
        if self.ignore_unlabelled_neg is not None:
            weigh_unlabelled_negatives(
                cls_score, sampling_results, **self.ignore_unlabelled_neg
            )
        return super().loss_and_target(
            cls_score, bbox_pred, rois, sampling_results, *args, **kwargs
        )

    def loss(self, cls_score: Tensor, *args, **kwargs) -> dict:
        """Compute losses, see mmdet's ``BBoxHead``.

        Without any sample mmdet leaves ``loss_cls`` out, and processes that train
        together would wait for its gradient for ever; here it is 0.
        """
        losses = super().loss(cls_score, *args, **kwargs)
        losses.setdefault('loss_cls', cls_score.sum())
        return losses

    def _predict_by_feat_single(
        self,
        roi: Tensor,
        cls_score: Tensor,
        bbox_pred: Tensor,
        img_meta: dict,
        rescale: bool = False,
        rcnn_test_cfg: ConfigType | None = None,
    ) -> InstanceData:
        """Make detections of one image, see mmdet's ``BBoxHead``.

        With ``rcnn_test_cfg=None`` it gives all boxes (n, 4) and ``scores``
        (n, classes + 1).
        """
        results = super()._predict_by_feat_single(
            roi, cls_score, bbox_pred, img_meta, rescale, rcnn_test_cfg=None
        )
        results.scores = class_scores(cls_score, self.score_mode, self.top_m)
        if rcnn_test_cfg is None:
            return results
        boxes, labels = nms_by_class(
            results.bboxes,
            results.scores,
            rcnn_test_cfg.score_thr,
            rcnn_test_cfg.nms,
            rcnn_test_cfg.max_per_img,
        )
        return InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4], labels=labels)


@MODELS.register_module()
class WeightedEmbeddingBBoxHead(WeightedInstancesMixin, EmbeddingBBoxHead):
    """``EmbeddingBBoxHead`` with :class:`WeightedInstancesMixin`.

    Negatives keep ``bg_weight``.
    """


def _check_arguments(kwargs: Mapping[str, Any], bg_weight: float) -> None:
    if 'num_classes' in kwargs:
        raise ValueError(
            'EmbeddingBBoxHead takes no num_classes, its vocabulary says how many '
            'there are; leave it out (in a config that inherits it, with _delete_=True)'
        )
    if not kwargs.get('reg_class_agnostic', True):
        raise ValueError(
            'EmbeddingBBoxHead refines boxes of every vocabulary in the same way: '
            'reg_class_agnostic=True'
        )
    if not bg_weight > 0:
        raise ValueError(
            f'bg_weight is above 0, not {bg_weight}: negatives of weight 0 would not '
            'count in the number of samples that the loss is divided by'
        )
