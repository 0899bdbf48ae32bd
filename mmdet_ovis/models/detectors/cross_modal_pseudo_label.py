"""A student that learns words of captions from the pseudo labels of a teacher.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.models.utils import rename_loss_dict
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor

from ...utils.settings import check_choice, check_keys, from_settings
from ..losses.pseudo_label_weighting import PseudoLabelWeighting
from ..roi_heads.cmpl_roi_head import CMPLRoIHead, PseudoLosses
from ..roi_heads.region_labelling import ImageWords
from .caption_vocabulary_mixin import CaptionVocabularyMixin
from .captioned_samples import has_gt, labelled_boxes, labelled_objects
from .shared_trunk_detector import SharedTrunkDetector, take_images

_TRAIN_CFG = dict(
    weighting=None,
    drop_labelled_words=True,
    align_with='name',
)
_ALIGN_WITH = ('name', 'word')
_SUP_KEYS = ('loss_cls', 'loss_bbox', 'loss_mask', 'acc')


@MODELS.register_module()
class CrossModalPseudoLabel(CaptionVocabularyMixin, SharedTrunkDetector):
    """A student that learns words of captions by what its teacher makes of them.

    The teacher has learnt the base classes, and the student starts as its copy. Of an
    image with caption words, the teacher turns each word into a pseudo instance
    (``CMPLRoIHead.label_regions``), from which the student learns with the caption
    vocabulary; from annotations it learns with the vocabulary of the training set. An
    image may have both, either, or none.

    Each data sample says in its ``metainfo`` what it is: ``caption_words`` and
    ``caption_labels`` (places in the caption vocabulary), empty for an image without
    words, and ``has_gt``: whether people annotated it. Regions that they marked as
    ignored, such as crowds, are left alone as annotated objects are. ``VocabularyHook``
    installs both vocabularies.

    Args:
        detector (dict): A ``TwoStageDetector`` with a ``CMPLRoIHead``.
        teacher (dict, optional): See :class:`.SharedTrunkDetector`, as the last three.
        semi_train_cfg (dict, optional):

            - ``weighting`` (dict): Arguments of
              :class:`~mmdet_ovis.models.losses.PseudoLabelWeighting`.
            - ``drop_labelled_words`` (bool): In images that people annotated, leave
              words out that stand for the classes that they annotated (the vocabulary
              of the training set), whether the image has an object of them or not.
              Defaults to True.
            - ``align_with`` (str): Text that looks for a region: ``'name'`` of the
              class, once for all words that stand for it, or the ``'word'`` as it
              stands in the caption. Defaults to ``'name'``.

        semi_test_cfg (dict, optional): Defaults to None.
        data_preprocessor (dict, optional): Defaults to None.
        init_cfg (dict, optional): Defaults to None.

    Raises:
        ValueError: If an argument is unknown or out of its range.
    """

    def __init__(
        self,
        detector: ConfigType,
        teacher: ConfigType | None = None,
        semi_train_cfg: ConfigType | None = None,
        semi_test_cfg: ConfigType | None = None,
        data_preprocessor: ConfigType | None = None,
        init_cfg: ConfigType | None = None,
    ) -> None:
        settings = _settings(semi_train_cfg)
        super().__init__(
            detector,
            teacher,
            semi_train_cfg=settings,
            semi_test_cfg=semi_test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        for name, model in (('student', self.student), ('teacher', self.teacher)):
            if not isinstance(model.roi_head, CMPLRoIHead):
                raise ValueError(
                    f"the {name} needs roi_head=dict(type='CMPLRoIHead'), not "
                    f'{type(model.roi_head).__name__!r}'
                )
        self.weighting = from_settings(
            PseudoLabelWeighting, settings['weighting'], 'semi_train_cfg.weighting'
        )

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """Compute the losses of a batch.

        Args:
            batch_inputs (Tensor): (B, 3, H, W) images.
            batch_data_samples (list[DetDataSample]): See the class.

        Returns:
            dict[str, Tensor]: Scalars, ``sup_*`` and ``pseudo_*``, always the same
            keys: without anything to learn from a loss is 0. ``pseudo_sigma`` is the
            mean level of noise, ``pseudo_weight`` the weight of classification and
            boxes, ``pseudo_number`` that of pseudo instances an image.

        Raises:
            ValueError: See :meth:`words_of`.
        """
        words = [self.words_of(sample) for sample in batch_data_samples]
        x, outputs = self.extract_trunk(batch_inputs)
        captioned = [place for place, of_image in enumerate(words) if len(of_image)]
        labelled = [i for i, sample in enumerate(batch_data_samples) if has_gt(sample)]
        pseudo = self._pseudo_losses(x, outputs, batch_data_samples, words, captioned)
        sup = self._sup_losses(x, outputs, batch_data_samples, labelled)
        return {**sup, **pseudo}

    def label(
        self,
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> InstanceList:
        """Turn the words of images into pseudo instances, as training does.

        Args:
            batch_inputs (Tensor): (B, 3, H, W) images.
            batch_data_samples (list[DetDataSample]): See the class.
            rescale (bool): At the size of the files. Defaults to True.

        Returns:
            list[InstanceData]: See ``CMPLRoIHead.label_regions``; ``word_inds`` are
            places in what :meth:`words_of` gives, and ``is_finite`` is about the
            feature maps, too.

        Raises:
            ValueError: If there is no caption vocabulary; see :meth:`words_of`.
        """
        self._need_caption_vocabulary()
        words = [self.words_of(sample) for sample in batch_data_samples]
        x, outputs = self.extract_trunk(batch_inputs)
        everyone = list(range(len(batch_data_samples)))
        proposals = self.proposals(outputs, batch_data_samples, everyone, 'test')
        results = self._label(x, proposals, batch_data_samples, words, rescale)
        for place, result in enumerate(results):
            # Maps that are not finite have no proposals.
            maps_are_finite = all(bool(level[place].isfinite().all()) for level in x)
            result.set_metainfo(
                dict(is_finite=bool(result.is_finite) and maps_are_finite)
            )
        return results

    def _label(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        samples: SampleList,
        words: Sequence[ImageWords],
        rescale: bool = False,
    ) -> InstanceList:
        boxes = [labelled_boxes(sample) for sample in samples]
        return self.teacher.roi_head.label_regions(
            x,
            proposals,
            words,
            [self._vectors(of_image).to(x[0].device) for of_image in words],
            [sample.metainfo for sample in samples],
            [
                x[0].new_zeros(0, 4) if of_image is None else of_image
                for of_image in boxes
            ],
            rescale,
        )

    def _pseudo_losses(
        self,
        x: tuple[Tensor, ...],
        outputs: tuple,
        samples: SampleList,
        words: Sequence[ImageWords],
        places: Sequence[int],
    ) -> dict[str, Tensor]:
        """Compute the losses of the images with words."""
        pseudo: InstanceList = []
        if places:
            of_words = [samples[place] for place in places]
            maps = take_images(x, places)
            proposals = self.proposals(outputs, samples, places, 'test')
            pseudo = self._label(maps, proposals, of_words, [words[i] for i in places])
            # Where no word has found a region, nothing is known about the regions.
            useful = [i for i, instances in enumerate(pseudo) if len(instances)]
        number = sum(len(instances) for instances in pseudo)
        if not number:
            found = PseudoLosses(self._nothing(x[0]), x[0].new_zeros(0, 1, 1))
        else:
            vocabularies = (
                self.student.roi_head.bbox_head.vocabulary,
                self.caption_vocabulary.names,
            )
            found = self.student.roi_head.pseudo_loss(
                take_images(maps, useful),
                [proposals[i] for i in useful],
                [pseudo[i] for i in useful],
                self.caption_vocabulary,
                [labelled_objects(of_words[i], *vocabularies) for i in useful],
            )
        losses = self.weighting(found.losses, found.sigma)
        sigma = found.sigma.detach()
        losses['sigma'] = sigma.mean() if sigma.numel() else sigma.new_zeros(())
        losses['weight'] = self.weighting.weight(sigma)
        losses['number'] = x[0].new_tensor(number / max(len(places), 1))
        return rename_loss_dict('pseudo_', losses)

    def _sup_losses(
        self,
        x: tuple[Tensor, ...],
        outputs: tuple,
        samples: SampleList,
        places: Sequence[int],
    ) -> dict[str, Tensor]:
        """Compute the losses of the annotated images."""
        if not places:
            return rename_loss_dict('sup_', self._nothing(x[0]))
        losses = self.student.roi_head.loss(
            take_images(x, places),
            self.proposals(outputs, samples, places, 'train'),
            [samples[place] for place in places],
        )
        for name in _SUP_KEYS:
            losses.setdefault(name, x[0].new_zeros(1))
        return rename_loss_dict('sup_', losses)

    def _nothing(self, like: Tensor) -> dict[str, Tensor]:
        """Make losses of 0, in which all parameters take part.

        Processes that train together wait for the gradients of all parameters.
        """
        learnt = [p for p in self.student.roi_head.parameters() if p.requires_grad]
        zero = sum((p.float().sum() * 0 for p in learnt), like.new_zeros(()))
        return {**dict.fromkeys(_SUP_KEYS[:-1], zero), 'acc': like.new_zeros(1)}


def _settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(given or {})
    check_keys(given, _TRAIN_CFG, 'semi_train_cfg')
    settings = _TRAIN_CFG | given
    check_choice('align_with', settings['align_with'], _ALIGN_WITH)
    return settings
