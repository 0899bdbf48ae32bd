"""Heads that refine and judge boxes."""

from .bbox_score_head import Shared2FCBBoxScoreHead
from .weighted_bbox_head import WeightedInstancesMixin, WeightedShared2FCBBoxHead

__all__ = [
    'Shared2FCBBoxScoreHead',
    'WeightedInstancesMixin',
    'WeightedShared2FCBBoxHead',
]
