"""Teacher and student on one trunk.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022), whose teacher and student share backbone and RPN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from mmdet.models.detectors.semi_base import SemiBaseDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, InstanceList
from mmengine.config import Config
from torch import Tensor, nn

from ...utils.settings import check_keys

_TRUNK = ('backbone', 'neck', 'rpn_head')
_PREDICT_ON = ('student', 'teacher')


class SharedTrunkDetector(SemiBaseDetector):
    """Two RoI heads, a teacher's and a student's, on one trunk.

    Backbone, neck and RPN are frozen and run once for both. The teacher is frozen too;
    only the student's RoI head learns. Both have the same parameters and start with the
    same values.

    A checkpoint of a plain detector is loaded into both; one of this model as it is, so
    that resuming never copies anything.

    Args:
        detector (dict): A ``TwoStageDetector``, the student.
        teacher (dict, optional): What differs in the teacher, merged into ``detector``.
            Defaults to None.
        semi_train_cfg (dict, optional): For subclasses.
        semi_test_cfg (dict, optional): ``predict_on``: ``'student'`` or ``'teacher'``.
            Defaults to the student.
        data_preprocessor (dict, optional): Defaults to None: that of ``detector``.
        init_cfg (dict, optional): Of mmengine. Defaults to None.

    Raises:
        ValueError: If a setting is unknown or out of its range.
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
        semi_test_cfg = dict(predict_on='student') | dict(semi_test_cfg or {})
        check_keys(semi_test_cfg, ('predict_on',), 'semi_test_cfg')
        if semi_test_cfg['predict_on'] not in _PREDICT_ON:
            raise ValueError(
                "semi_test_cfg has predict_on='student' or 'teacher', not "
                f'{semi_test_cfg["predict_on"]!r}'
            )
        super().__init__(
            detector,
            semi_train_cfg=dict(freeze_teacher=True, **(semi_train_cfg or {})),
            semi_test_cfg=semi_test_cfg,
            data_preprocessor=data_preprocessor or detector.get('data_preprocessor'),
            init_cfg=init_cfg,
        )
        if teacher:
            self.teacher = MODELS.build(_merge(detector, teacher))
            self.freeze(self.teacher)
        for name in _TRUNK:  # the student's
            if hasattr(self.teacher, name):
                delattr(self.teacher, name)
        for module in self._frozen():
            self.freeze(module)

    def _frozen(self) -> list[nn.Module]:
        """Return what never learns."""
        trunk = [getattr(self.student, name, None) for name in _TRUNK]
        return [self.teacher, *(module for module in trunk if module is not None)]

    def init_weights(self) -> None:
        """Initialise; without a checkpoint, too, both start alike."""
        is_first = not self.is_init
        super().init_weights()
        if is_first:
            student = self.student.state_dict()
            names = self.teacher.state_dict().keys()
            self.teacher.load_state_dict({name: student[name] for name in names})

    @property
    def roi_head(self) -> nn.Module:
        """The RoI head that predicts, so that inference treats it as any detector."""
        return getattr(self, self.semi_test_cfg['predict_on']).roi_head

    def train(self, mode: bool = True) -> SharedTrunkDetector:
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> SampleList:
        """Detect objects of the installed vocabulary, see mmdet's ``BaseDetector``."""
        if self.semi_test_cfg['predict_on'] == 'student':
            return self.student.predict(batch_inputs, batch_data_samples, rescale)
        x = self.student.extract_feat(batch_inputs)
        proposals = self.student.rpn_head.predict(x, batch_data_samples, rescale=False)
        results = self.teacher.roi_head.predict(
            x, proposals, batch_data_samples, rescale=rescale
        )
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple:
        return self.student._forward(batch_inputs, batch_data_samples)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Extract the features that teacher and student share."""
        return self.student.extract_feat(batch_inputs)

    def extract_trunk(self, batch_inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple]:
        """Compute features and outputs of the RPN, without gradients.

        In float32 under mixed precision, too: mmdet brings boxes to the precision of
        the maps that they are cropped from, which in bfloat16 is eight pixels at the
        far end of an image.

        Args:
            batch_inputs (Tensor): (B, 3, H, W) images.

        Returns:
            tuple[tuple[Tensor, ...], tuple]: Feature maps, and what the RPN makes of
            them, for :meth:`proposals`.
        """
        with torch.no_grad():
            x = self.student.extract_feat(batch_inputs)
            outputs = self.student.rpn_head(x)
        x = tuple(level.float() for level in x)
        return x, tuple([level.float() for level in levels] for levels in outputs)

    def proposals(
        self,
        outputs: tuple,
        samples: SampleList,
        places: Sequence[int],
        stage: str,
    ) -> InstanceList:
        """Make proposals of some images as in training or testing.

        Args:
            outputs (tuple): Of the RPN for a batch, see :meth:`extract_trunk`.
            samples (list[DetDataSample]): The batch.
            places (Sequence[int]): Which images of it.
            stage (str): ``'train'`` or ``'test'``: whose settings count.

        Returns:
            list[InstanceData]: For each place ``bboxes`` (n, 4) and ``scores`` (n,),
            best first.
        """
        rpn = self.student.rpn_head
        cfg = rpn.test_cfg
        if stage == 'train':
            cfg = self.student.train_cfg.get('rpn_proposal', cfg)
        with torch.no_grad():
            found = rpn.predict_by_feat(
                *([_take(level, places) for level in levels] for levels in outputs),
                batch_img_metas=[samples[place].metainfo for place in places],
                cfg=cfg,
            )
        for result in found:
            result.pop('labels', None)
        return found

    def adapt_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Make the weights of a plain detector those of student and teacher.

        A plain detector may know nothing of pixel noise, whose weights then stay as
        they are here. What has nothing in common with this model gets none.

        Args:
            state (Mapping[str, Tensor]): Weights by name, of a plain detector or of
                this model.

        Returns:
            dict[str, Tensor]: With the names of this model. Those of this model do not
            change.
        """
        if not state or any(key.startswith(('student.', 'teacher.')) for key in state):
            return dict(state)
        adapted = {f'student.{key}': value for key, value in state.items()}
        adapted |= {
            f'teacher.{key}': value
            for key, value in state.items()
            if not key.startswith(_TRUNK)
        }
        own = self.state_dict()
        if not adapted.keys() & own.keys():
            return adapted
        noise = {key: value for key, value in own.items() if '.conv_noise.' in key}
        return noise | adapted

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load; the weights of a plain detector become student and teacher."""
        own = {
            key.removeprefix(prefix): state_dict.pop(key)
            for key in list(state_dict)
            if key.startswith(prefix)
        }
        for key, value in self.adapt_state_dict(own).items():
            state_dict[prefix + key] = value
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _merge(detector: ConfigType, changes: ConfigType) -> ConfigType:
    return Config._merge_a_into_b(changes, deepcopy(dict(detector)))


def _take(values: Tensor, places: Sequence[int]) -> Tensor:
    """Take some images of a batch, all of them without a copy."""
    if len(places) == len(values):
        return values
    return values[torch.tensor(places, device=values.device, dtype=torch.long)]


def take_images(maps: tuple[Tensor, ...], places: Sequence[int]) -> tuple[Tensor, ...]:
    """Take some images of a batch.

    Args:
        maps (tuple[Tensor]): Feature maps (B, C, h, w).
        places (Sequence[int]): Which of the B images.

    Returns:
        tuple[Tensor]: The same maps if all are taken, else copies.

    Examples:
        >>> [level.shape[0] for level in take_images((torch.zeros(3, 1, 2, 2),), [2])]
        [1]
    """
    return tuple(_take(level, places) for level in maps)
