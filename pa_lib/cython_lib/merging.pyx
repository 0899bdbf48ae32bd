"""Greedy agglomeration of a region adjacency graph into a binary merge tree.

The graph lives in flat arrays. Edge e owns the half-edges 2e and 2e + 1; half-edge h
stands in the doubly linked list of the node `ends[h]`, and its other end is
`ends[h ^ 1]`. Merging two nodes relabels their half-edges in place, so memory stays
O(E). A binary heap with a position for each edge gives the next edge to contract.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t

LINKAGES = ('length_weighted', 'legacy_mean', 'min', 'max')


cdef struct Graph:
    int32_t* ends
    int32_t* following  # next half-edge of the same node, -1 at the end
    int32_t* preceding
    int32_t* head       # first half-edge of a node
    int32_t* shared     # scratch: half-edge of the second node to a neighbour, or -1
    int32_t* heap       # edges
    int32_t* position   # of an edge in the heap
    int32_t heap_size
    double* weight
    double* length


# ------------------------------------------------------------------ heap of edges
cdef inline bint precedes(Graph* g, int32_t e, int32_t f) noexcept nogil:
    """Order edges by weight, then lower node, then higher node."""
    if g.weight[e] != g.weight[f]:
        return g.weight[e] < g.weight[f]
    cdef int32_t e_low = min(g.ends[2 * e], g.ends[2 * e + 1])
    cdef int32_t f_low = min(g.ends[2 * f], g.ends[2 * f + 1])
    if e_low != f_low:
        return e_low < f_low
    return (
        max(g.ends[2 * e], g.ends[2 * e + 1]) < max(g.ends[2 * f], g.ends[2 * f + 1])
    )


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


# ------------------------------------------------------------------ lists of half-edges
cdef inline void link(Graph* g, int32_t half, int32_t node) noexcept nogil:
    """Put a half-edge at the front of a node's list."""
    g.ends[half] = node
    g.preceding[half] = -1
    g.following[half] = g.head[node]
    if g.head[node] >= 0:
        g.preceding[g.head[node]] = half
    g.head[node] = half


cdef inline void unlink(Graph* g, int32_t half) noexcept nogil:
    if g.preceding[half] >= 0:
        g.following[g.preceding[half]] = g.following[half]
    else:
        g.head[g.ends[half]] = g.following[half]
    if g.following[half] >= 0:
        g.preceding[g.following[half]] = g.preceding[half]


cdef inline void drop_edge(Graph* g, int32_t edge) noexcept nogil:
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


cdef void merge_nodes(
    Graph* g, int32_t first, int32_t second, int32_t merged, int linkage
) noexcept nogil:
    """Move the edges of two nodes, no longer joined by one, to a new node.

    One edge at a time changes its key and is put right in the heap.
    """
    cdef int32_t half, twin, upcoming, neighbour
    half = g.head[second]
    while half >= 0:
        g.shared[g.ends[half ^ 1]] = half
        half = g.following[half]

    half = g.head[first]
    while half >= 0:
        upcoming = g.following[half]
        neighbour = g.ends[half ^ 1]
        twin = g.shared[neighbour]
        if twin >= 0:
            g.shared[neighbour] = -1
            drop_edge(g, twin >> 1)
            g.weight[half >> 1] = combine(
                g.weight[half >> 1], g.length[half >> 1],
                g.weight[twin >> 1], g.length[twin >> 1], linkage,
            )
            g.length[half >> 1] += g.length[twin >> 1]
        link(g, half, merged)
        restore(g, half >> 1)
        half = upcoming

    half = g.head[second]
    while half >= 0:
        upcoming = g.following[half]
        g.shared[g.ends[half ^ 1]] = -1
        link(g, half, merged)
        restore(g, half >> 1)
        half = upcoming


cdef int32_t agglomerate(
    Graph* g, int32_t n_leaves, double join_thresh, int linkage,
    int32_t[:, ::1] children, double[::1] heights,
) noexcept nogil:
    """Contract edges in order until none is below the threshold."""
    cdef int32_t n_merges = 0, edge, low, high
    while g.heap_size > 0:
        edge = g.heap[0]
        if not g.weight[edge] < join_thresh:
            break
        low = min(g.ends[2 * edge], g.ends[2 * edge + 1])
        high = max(g.ends[2 * edge], g.ends[2 * edge + 1])
        children[n_merges, 0] = low
        children[n_merges, 1] = high
        heights[n_merges] = g.weight[edge]
        drop_edge(g, edge)
        merge_nodes(g, low, high, n_leaves + n_merges, linkage)
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
    the sum of the degrees of all merged nodes, and O(E) memory.

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
    cdef int32_t n_edges = edge_ends.shape[0], edge, node
    cdef int32_t n_nodes = 2 * n_leaves, n_merges
    cdef int code = LINKAGES.index(linkage)
    children = np.empty((max(n_leaves - 1, 0), 2), np.int32)
    heights = np.empty(max(n_leaves - 1, 0), np.float64)
    cdef int32_t[:, ::1] children_view = children
    cdef double[::1] heights_view = heights

    cdef int32_t[::1] index_memory = np.empty(8 * n_edges + 2 * n_nodes + 1, np.int32)
    cdef double[::1] value_memory = np.empty(2 * n_edges + 1, np.float64)
    cdef Graph g
    g.ends = &index_memory[0]
    g.following = g.ends + 2 * n_edges
    g.preceding = g.following + 2 * n_edges
    g.heap = g.preceding + 2 * n_edges
    g.position = g.heap + n_edges
    g.head = g.position + n_edges
    g.shared = g.head + n_nodes
    g.weight = &value_memory[0]
    g.length = g.weight + n_edges
    with nogil:
        for node in range(n_nodes):
            g.head[node] = -1
            g.shared[node] = -1
        for edge in range(n_edges):
            g.weight[edge] = edge_weights[edge]
            g.length[edge] = edge_lengths[edge]
            link(&g, 2 * edge, edge_ends[edge, 0])
            link(&g, 2 * edge + 1, edge_ends[edge, 1])
            place(&g, edge, edge)
        g.heap_size = n_edges
        for edge in range(n_edges // 2 - 1, -1, -1):
            sift_down(&g, edge)
        n_merges = agglomerate(
            &g, n_leaves, join_thresh, code, children_view, heights_view
        )
    return children[:n_merges], heights[:n_merges]
