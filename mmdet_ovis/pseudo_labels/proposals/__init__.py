"""Where objects may be: proposals from files, images and networks."""

from .affinity import AffinityProposals
from .base import FoundBoxes, ProposalProvider
from .file import FileProposals, read_proposals, save_proposals
from .grid import GridProposals
from .network import (
    DetectorProposals,
    NetworkProposals,
    RPNProposals,
)
from .selective_search import SelectiveSearchProposals
from .upstream_pickle import (
    UpstreamInstance,
    UpstreamPickleProposals,
    read_upstream_proposals,
    read_upstream_pseudo_labels,
)
from .weakly_supervised import WSPNProposals

__all__ = [
    'AffinityProposals',
    'DetectorProposals',
    'FileProposals',
    'FoundBoxes',
    'GridProposals',
    'NetworkProposals',
    'ProposalProvider',
    'RPNProposals',
    'SelectiveSearchProposals',
    'UpstreamInstance',
    'UpstreamPickleProposals',
    'WSPNProposals',
    'read_proposals',
    'read_upstream_proposals',
    'read_upstream_pseudo_labels',
    'save_proposals',
]
