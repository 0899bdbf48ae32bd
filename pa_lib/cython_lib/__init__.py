"""Compiled kernels of `pa_lib`: typed arrays in, typed arrays out, no Python inside."""

try:
    from .encoding import encode_intervals
    from .filters import (
        TRIANGLE_FILTER,
        align_strength,
        edge_directions,
        window_maximum,
    )
    from .merging import LINKAGES, merge_graph
    from .region_graph import region_graph, region_similarity
    from .selection import select_nodes
    from .tree_stats import leaf_intervals, node_statistics
    from .watershed import watershed
except ImportError as error:
    raise ImportError(
        'the kernels of pa_lib are not compiled for this Python; build them with '
        '`python pa_lib/cython_lib/setup.py build_ext --inplace`'
    ) from error

__all__ = [
    'LINKAGES',
    'TRIANGLE_FILTER',
    'align_strength',
    'edge_directions',
    'encode_intervals',
    'leaf_intervals',
    'merge_graph',
    'node_statistics',
    'region_graph',
    'region_similarity',
    'select_nodes',
    'watershed',
    'window_maximum',
]
