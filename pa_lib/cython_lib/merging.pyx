"""Greedy agglomeration of a region adjacency graph into a binary merge tree.

The graph lives in flat arrays. Edge e owns the half-edges 2e and 2e + 1; half-edge h
stands in the doubly linked list of the region `ends[h]`, and its other end is
`ends[h ^ 1]`. Of two regions that merge, the one with fewer edges hands them over to
the other, which goes on under the id of the new node: so a background with thousands of
neighbours costs nothing when it swallows one of them. A hash table finds the edge
between two regions, and a binary heap the next edge to contract.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from pa_lib.cython_lib.pair_hash cimport hash_pair

LINKAGES = ('length_weighted', 'legacy_mean', 'min', 'max')


cdef struct Graph:
    int32_t* ends
    int32_t* following  # next half-edge of the same region, -1 at the end
    int32_t* preceding
    int32_t* head       # first half-edge of a region
    int32_t* degree     # of a region
    int32_t* node       # id of the node that a region has become
    int32_t* heap       # edges
    int32_t* position   # of an edge in the heap
    int32_t* low        # lower node id of an edge when its place was last looked at
    int32_t* high
    int32_t* table      # edges by the regions they join, -1 where free
    int32_t mask        # number of places in the table, a power of 2, less 1
    int32_t heap_size
    double* weight
    double* length


# ------------------------------------------------------------------ heap of edges
cdef inline bint precedes(Graph* g, int32_t e, int32_t f) noexcept nogil:
    """Order edges by weight, then lower node, then higher node."""
    if g.weight[e] != g.weight[f]:
        return g.weight[e] < g.weight[f]
    if g.low[e] != g.low[f]:
        return g.low[e] < g.low[f]
    return g.high[e] < g.high[f]


cdef inline bint refresh(Graph* g, int32_t edge) noexcept nogil:
    """Bring the node ids of an edge up to date; whether they had changed.

    Ids only rise, so an edge that is out of date stands too far ahead, never behind.
    """
    cdef int32_t one = g.node[g.ends[2 * edge]], two = g.node[g.ends[2 * edge + 1]]
    cdef int32_t low = min(one, two), high = max(one, two)
    cdef bint changed = low != g.low[edge] or high != g.high[edge]
    g.low[edge] = low
    g.high[edge] = high
    return changed


cdef inline void place(Graph* g, int32_t slot, int32_t edge) noexcept nogil:
    g.heap[slot] = edge
    g.position[edge] = slot


cdef void sift_down(Graph* g, int32_t slot) noexcept nogil:
    cdef int32_t edge = g.heap[slot]
    cdef int32_t child = 2 * slot + 1
    while child < g.heap_size:
        if child + 1 < g.heap_size and precedes(g, g.heap[child + 1], g.heap[child]):
            child += 1
        if not precedes(g, g.heap[child], edge):
            break
        place(g, slot, g.heap[child])
        slot = child
        child = 2 * slot + 1
    place(g, slot, edge)


cdef void sift_up(Graph* g, int32_t slot) noexcept nogil:
    cdef int32_t edge = g.heap[slot]
    cdef int32_t parent
    while slot > 0:
        parent = (slot - 1) >> 1
        if not precedes(g, edge, g.heap[parent]):
            break
        place(g, slot, g.heap[parent])
        slot = parent
    place(g, slot, edge)


cdef inline void restore(Graph* g, int32_t edge) noexcept nogil:
    """Move an edge whose key has changed to its place."""
    sift_up(g, g.position[edge])
    sift_down(g, g.position[edge])


cdef void remove_from_heap(Graph* g, int32_t edge) noexcept nogil:
    cdef int32_t slot = g.position[edge]
    g.heap_size -= 1
    if slot < g.heap_size:
        place(g, slot, g.heap[g.heap_size])
        restore(g, g.heap[slot])


# ------------------------------------------------------------------ edges by regions
cdef inline int32_t find_place(Graph* g, int32_t one, int32_t two) noexcept nogil:
    """Place of the edge between two regions in the table, or the free one for it."""
    cdef int32_t place = hash_pair(min(one, two), max(one, two)) & g.mask, edge
    while True:
        edge = g.table[place]
        if edge < 0:
            return place
        if g.ends[2 * edge] == one and g.ends[2 * edge + 1] == two:
            return place
        if g.ends[2 * edge] == two and g.ends[2 * edge + 1] == one:
            return place
        place = (place + 1) & g.mask


cdef inline void enter(Graph* g, int32_t edge) noexcept nogil:
    g.table[find_place(g, g.ends[2 * edge], g.ends[2 * edge + 1])] = edge


cdef void strike(Graph* g, int32_t edge) noexcept nogil:
    """Take an edge out of the table and close the gap."""
    cdef int32_t gap = find_place(g, g.ends[2 * edge], g.ends[2 * edge + 1])
    cdef int32_t place = gap, home, other, one, two
    while True:
        place = (place + 1) & g.mask
        other = g.table[place]
        if other < 0:
            break
        one, two = g.ends[2 * other], g.ends[2 * other + 1]
        home = hash_pair(min(one, two), max(one, two)) & g.mask
        # It may move to the gap unless its home lies between the two.
        if (place - home) & g.mask >= (place - gap) & g.mask:
            g.table[gap] = other
            gap = place
    g.table[gap] = -1


# ------------------------------------------------------------------ lists of half-edges
cdef inline void link(Graph* g, int32_t half, int32_t region) noexcept nogil:
    """Put a half-edge at the front of a region's list."""
    g.ends[half] = region
    g.preceding[half] = -1
    g.following[half] = g.head[region]
    if g.head[region] >= 0:
        g.preceding[g.head[region]] = half
    g.head[region] = half
    g.degree[region] += 1


cdef inline void unlink(Graph* g, int32_t half) noexcept nogil:
    if g.preceding[half] >= 0:
        g.following[g.preceding[half]] = g.following[half]
    else:
        g.head[g.ends[half]] = g.following[half]
    if g.following[half] >= 0:
        g.preceding[g.following[half]] = g.preceding[half]
    g.degree[g.ends[half]] -= 1


cdef inline void drop_edge(Graph* g, int32_t edge) noexcept nogil:
    strike(g, edge)
    remove_from_heap(g, edge)
    unlink(g, 2 * edge)
    unlink(g, 2 * edge + 1)


# ------------------------------------------------------------------ merging
cdef inline double combine(
    double w1, double c1, double w2, double c2, int linkage
) noexcept nogil:
    """Weight of the edge that replaces two edges to the same neighbour."""
    cdef double low = min(w1, w2), high = max(w1, w2)
    if linkage == 0:
        # Rounding must not undercut the smaller weight: heights would not be monotone.
        return min(max((w1 * c1 + w2 * c2) / (c1 + c2), low), high)
    if linkage == 1:
        return min(max((w1 + w2) / 2, low), high)
    return low if linkage == 2 else high


cdef void hand_over(
    Graph* g, int32_t smaller, int32_t larger, int linkage
) noexcept nogil:
    """Give the edges of a region to another one; no edge joins the two any more."""
    cdef int32_t half = g.head[smaller], edge, twin, upcoming
    while half >= 0:
        upcoming = g.following[half]
        edge = half >> 1
        twin = g.table[find_place(g, larger, g.ends[half ^ 1])]
        if twin >= 0:
            g.weight[twin] = combine(
                g.weight[edge], g.length[edge], g.weight[twin], g.length[twin], linkage
            )
            g.length[twin] += g.length[edge]
            drop_edge(g, edge)
            refresh(g, twin)
            restore(g, twin)
        else:
            strike(g, edge)
            unlink(g, half)
            link(g, half, larger)
            enter(g, edge)
        half = upcoming


cdef int32_t agglomerate(
    Graph* g, int32_t n_leaves, double join_thresh, int linkage,
    int32_t[:, ::1] children, double[::1] heights,
) noexcept nogil:
    """Contract edges in order until none is below the threshold."""
    cdef int32_t n_merges = 0, edge, one, two
    while g.heap_size > 0:
        edge = g.heap[0]
        if not g.weight[edge] < join_thresh:
            break
        if refresh(g, edge):
            sift_down(g, 0)
            continue
        children[n_merges, 0] = g.low[edge]
        children[n_merges, 1] = g.high[edge]
        heights[n_merges] = g.weight[edge]
        one, two = g.ends[2 * edge], g.ends[2 * edge + 1]
        drop_edge(g, edge)
        if g.degree[one] > g.degree[two]:
            one, two = two, one
        g.node[two] = n_leaves + n_merges
        hand_over(g, one, two, linkage)
        n_merges += 1
    return n_merges


def check_graph(pairs, weights, counts, n_leaves):
    """Refuse graphs on which the kernel, which checks nothing, would go astray."""
    pairs, weights, counts = np.asarray(pairs), np.asarray(weights), np.asarray(counts)
    n_edges = len(pairs)
    if pairs.shape != (n_edges, 2) or not len(weights) == len(counts) == n_edges:
        raise ValueError(
            f'pairs {pairs.shape}, weights {weights.shape} and counts {counts.shape} '
            'must be (E, 2), (E,) and (E,)'
        )
    if n_edges == 0:
        return
    if pairs.min() < 0 or pairs.max() >= n_leaves:
        raise ValueError(f'pairs must hold regions 0 to {n_leaves - 1}')
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1)
    if (low == high).any() or len(np.unique(low * n_leaves + high)) < n_edges:
        raise ValueError('pairs must be distinct and join different regions')
    if not np.isfinite(weights).all() or not (counts > 0).all():
        raise ValueError('weights must be finite and counts positive')


def merge_graph(
    pairs, weights, counts, int n_leaves, double join_thresh, linkage='length_weighted'
):
    """Merge the regions of a graph, weakest boundary first, into a binary forest.

    The edge of least weight, ties by lower and then by higher node id, is contracted
    into a new node while its weight is below the threshold. The new node's edges keep
    their weight where only one of the two was adjacent to the neighbour; else the
    linkage says how two weights become one. No linkage can go below the current
    minimum, so heights never decrease along the merges. Takes O(D log E) time, D being
    the sum over all merges of the smaller of the two degrees, and O(E) memory.

    Reference: Arbelaez et al., Contour Detection and Hierarchical Image Segmentation,
    PAMI 2011, section 4.2.

    Args:
        pairs: (E, 2) int32 array of distinct region pairs, indices from 0.
        weights: (E,) float64 array of finite boundary strengths.
        counts: (E,) array of boundary lengths, positive.
        n_leaves: Number of regions L.
        join_thresh: Edges are contracted while their weight is strictly below it.
        linkage: 'length_weighted' (mean over both boundaries), 'legacy_mean' (mean of
            the two weights, as in the code released with GGN), 'min' or 'max'.

    Returns:
        Tuple of the children ((M, 2) int32; merge m makes the node L + m out of them,
        the lower id first) and the heights of the merges ((M,) float64).

    Raises:
        ValueError: If the linkage is unknown, or the graph is not as described.

    Example:
        >>> import numpy as np
        >>> pairs = np.array([[0, 1], [0, 2], [1, 2]], np.int32)
        >>> children, heights = merge_graph(
        ...     pairs, np.array([.1, .5, .7]), np.array([1, 3, 1]), 3, 1.)
        >>> children.tolist(), heights.round(6).tolist()
        ([[0, 1], [2, 3]], [0.1, 0.55])
    """
    check_graph(pairs, weights, counts, n_leaves)
    if linkage not in LINKAGES:
        raise ValueError(f'unknown linkage {linkage!r}, expected one of {LINKAGES}')
    cdef const int32_t[:, ::1] edge_ends = np.ascontiguousarray(pairs, np.int32)
    cdef const double[::1] edge_weights = np.ascontiguousarray(weights, np.float64)
    cdef const double[::1] edge_lengths = np.ascontiguousarray(counts, np.float64)
    cdef int32_t n_edges = edge_ends.shape[0], edge, region
    cdef int32_t n_places = 4, n_merges
    cdef int code = LINKAGES.index(linkage)
    children = np.empty((max(n_leaves - 1, 0), 2), np.int32)
    heights = np.empty(max(n_leaves - 1, 0), np.float64)
    cdef int32_t[:, ::1] children_view = children
    cdef double[::1] heights_view = heights

    while n_places < 2 * n_edges:
        n_places *= 2
    cdef int32_t[::1] index_memory = np.empty(
        10 * n_edges + 3 * n_leaves + n_places, np.int32
    )
    cdef double[::1] value_memory = np.empty(2 * n_edges + 1, np.float64)
    cdef Graph g
    g.ends = &index_memory[0]
    g.following = g.ends + 2 * n_edges
    g.preceding = g.following + 2 * n_edges
    g.heap = g.preceding + 2 * n_edges
    g.position = g.heap + n_edges
    g.low = g.position + n_edges
    g.high = g.low + n_edges
    g.head = g.high + n_edges
    g.degree = g.head + n_leaves
    g.node = g.degree + n_leaves
    g.table = g.node + n_leaves
    g.mask = n_places - 1
    g.weight = &value_memory[0]
    g.length = g.weight + n_edges
    with nogil:
        memset(g.table, -1, n_places * sizeof(int32_t))
        for region in range(n_leaves):
            g.head[region] = -1
            g.degree[region] = 0
            g.node[region] = region
        for edge in range(n_edges):
            g.weight[edge] = edge_weights[edge]
            g.length[edge] = edge_lengths[edge]
            link(&g, 2 * edge, edge_ends[edge, 0])
            link(&g, 2 * edge + 1, edge_ends[edge, 1])
            refresh(&g, edge)
            enter(&g, edge)
            place(&g, edge, edge)
        g.heap_size = n_edges
        for edge in range(n_edges // 2 - 1, -1, -1):
            sift_down(&g, edge)
        n_merges = agglomerate(
            &g, n_leaves, join_thresh, code, children_view, heights_view
        )
    return children[:n_merges], heights[:n_merges]
