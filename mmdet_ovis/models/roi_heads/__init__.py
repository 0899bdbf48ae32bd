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
from .mask_heads import OlnMaskIoUHead, WeightedFCNMaskHead
from .objectness_sampler import (
    ObjectnessMixin,
    ObjectnessRandomSampler,
    ObjectnessWeightedRandomSampler,
)
from .oln_roi_head import OlnMaskRoIHead, OlnRoIHead
from .weakly_supervised_roi_head import WeaklySupervisedRoIHead
from .weighted_sampler import WeightedRandomSampler

__all__ = [
    'EmbeddingBBoxHead',
    'ObjectnessMixin',
    'ObjectnessRandomSampler',
    'ObjectnessWeightedRandomSampler',
    'OlnMaskIoUHead',
    'OlnMaskRoIHead',
    'OlnRoIHead',
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
