"""Proposals from a network that has seen words of images and no box.

Source: Mask-free OVIS (VS et al., CVPR 2023), section on weakly supervised proposals;
it rests on WSDDN (H. Bilen, A. Vedaldi, CVPR 2016).
"""

from __future__ import annotations

from mmdet.models.detectors import TwoStageDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor


@MODELS.register_module()
class WeaklySupervisedProposalNetwork(TwoStageDetector):
    """Detector that scores and refines proposals, and has learnt from words alone.

    It has no RPN: proposals that need no training, such as those of selective search,
    come with each image (``proposals.bboxes`` of its data sample). With a
    ``WeaklySupervisedRoIHead``, training reads the labels of ``gt_instances`` and never
    a box.

    Args:
        **kwargs: Arguments of mmdet's ``TwoStageDetector``, without ``rpn_head``.

    Raises:
        ValueError: In training and testing, if an image comes without ``proposals``
            (no proposals at all are fine: an empty tensor).
    """

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """Compute the losses of a batch, see mmdet's ``TwoStageDetector``."""
        _check_proposals(batch_data_samples)
        return super().loss(batch_inputs, batch_data_samples)

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> SampleList:
        """Score and refine the proposals, see mmdet's ``TwoStageDetector``."""
        _check_proposals(batch_data_samples)
        return super().predict(batch_inputs, batch_data_samples, rescale)


def _check_proposals(batch_data_samples: SampleList) -> None:
    for sample in batch_data_samples:
        if sample.get('proposals') is None:
            raise ValueError(
                f'{sample.metainfo.get("img_path", "an image")} comes without '
                'proposals; set proposal_file of the dataset (see '
                'tools/ovis/extract_proposals.py), and put '
                "dict(type='LoadProposals') into the pipeline"
            )
