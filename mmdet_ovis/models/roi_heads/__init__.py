"""Heads on regions of interest."""

from .bbox_heads import (
    EmbeddingBBoxHead,
    Shared2FCBBoxScoreHead,
    Shared2FCWSDDNHead,
    WeightedEmbeddingBBoxHead,
    WeightedInstancesMixin,
    WeightedShared2FCBBoxHead,
    WSDDNHead,
    WSDDNMixin,
)
from .cmpl_roi_head import CMPLRoIHead
from .labelled_object_assigner import LabelledObjectAssigner
from .mask_heads import NoisyFCNMaskHead, OlnMaskIoUHead, WeightedFCNMaskHead
from .objectness_sampler import (
    ObjectnessMixin,
    ObjectnessRandomSampler,
    ObjectnessWeightedRandomSampler,
)
from .oln_roi_head import OlnMaskRoIHead, OlnRoIHead
from .region_labelling import Alignment, ImageWords, RegionLabellingMixin
from .weakly_supervised_roi_head import WeaklySupervisedRoIHead
from .weighted_sampler import WeightedRandomSampler

__all__ = [
    'Alignment',
    'CMPLRoIHead',
    'EmbeddingBBoxHead',
    'ImageWords',
    'LabelledObjectAssigner',
    'NoisyFCNMaskHead',
    'ObjectnessMixin',
    'ObjectnessRandomSampler',
    'ObjectnessWeightedRandomSampler',
    'OlnMaskIoUHead',
    'OlnMaskRoIHead',
    'OlnRoIHead',
    'RegionLabellingMixin',
    'Shared2FCBBoxScoreHead',
    'Shared2FCWSDDNHead',
    'WSDDNHead',
    'WSDDNMixin',
    'WeaklySupervisedRoIHead',
    'WeightedEmbeddingBBoxHead',
    'WeightedFCNMaskHead',
    'WeightedInstancesMixin',
    'WeightedRandomSampler',
    'WeightedShared2FCBBoxHead',
]
