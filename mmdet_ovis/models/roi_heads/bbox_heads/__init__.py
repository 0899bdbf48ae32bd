"""Heads that refine and judge boxes."""

from .bbox_score_head import Shared2FCBBoxScoreHead
from .embedding_bbox_head import EmbeddingBBoxHead, WeightedEmbeddingBBoxHead
from .unlabelled_negatives import weigh_unlabelled_negatives
from .weighted_bbox_head import WeightedInstancesMixin, WeightedShared2FCBBoxHead
from .wsddn_head import Shared2FCWSDDNHead, WSDDNHead, WSDDNMixin

__all__ = [
    'EmbeddingBBoxHead',
    'Shared2FCBBoxScoreHead',
    'Shared2FCWSDDNHead',
    'WSDDNHead',
    'WSDDNMixin',
    'WeightedEmbeddingBBoxHead',
    'WeightedInstancesMixin',
    'WeightedShared2FCBBoxHead',
    'weigh_unlabelled_negatives',
]
