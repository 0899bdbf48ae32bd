"""Greedy choice of good and different nodes of a merge tree.

Two nodes are disjoint (IoU 0) or nested (IoU is the ratio of their areas). The chosen
node that overlaps a candidate most is therefore the nearest chosen ancestor or the
largest chosen descendant, and no pair of masks is ever compared.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t


cdef struct Candidate:
    double score
    int32_t index  # place in the order of the candidates


cdef struct Chosen:
    const int32_t* parents
    const double* areas
    unsigned char* kept
    double* largest_inside  # area of the largest chosen descendant


cdef inline bint precedes(const Candidate* one, const Candidate* two) noexcept nogil:
    if one.score != two.score:
        return one.score > two.score
    return one.index < two.index


cdef void sift_down(Candidate* heap, Py_ssize_t size) noexcept nogil:
    """Move the first entry of a heap to its place."""
    cdef Candidate moved = heap[0]
    cdef Py_ssize_t slot = 0, child = 1
    while child < size:
        if child + 1 < size and precedes(&heap[child + 1], &heap[child]):
            child += 1
        if precedes(&moved, &heap[child]):
            break
        heap[slot] = heap[child]
        slot = child
        child = 2 * slot + 1
    heap[slot] = moved


cdef inline double largest_overlap(const Chosen* chosen, int32_t node) noexcept nogil:
    """Largest IoU of a node with a chosen one."""
    cdef double area = chosen.areas[node]
    cdef double overlap = chosen.largest_inside[node] / area
    cdef int32_t ancestor = chosen.parents[node]
    # Overlaps fall on the way up.
    while ancestor >= 0 and area / chosen.areas[ancestor] > overlap:
        if chosen.kept[ancestor]:
            return area / chosen.areas[ancestor]
        ancestor = chosen.parents[ancestor]
    return overlap


cdef void keep(Chosen* chosen, int32_t node) noexcept nogil:
    cdef int32_t ancestor = chosen.parents[node]
    chosen.kept[node] = True
    while ancestor >= 0 and chosen.largest_inside[ancestor] < chosen.areas[node]:
        chosen.largest_inside[ancestor] = chosen.areas[node]
        ancestor = chosen.parents[ancestor]


cdef Py_ssize_t choose(
    const int64_t* nodes, const double* scores, Candidate* heap, Py_ssize_t size,
    Chosen* chosen, double threshold, double diversity, Candidate* taken,
    Py_ssize_t limit,
) noexcept nogil:
    """Take candidates until none is left; return how many were taken.

    Scores only fall, so a candidate whose score is up to date and still the first one
    of the heap is the best of all: the others need not be looked at.
    """
    cdef Py_ssize_t n_taken = 0
    cdef double overlap, score
    cdef int32_t node
    while size > 0 and n_taken < limit:
        node = <int32_t> nodes[heap[0].index]
        overlap = largest_overlap(chosen, node)
        if overlap <= threshold:
            score = scores[heap[0].index]
            if score > 0:
                score *= 1.0 - diversity * overlap
            if score < heap[0].score:
                heap[0].score = score
                sift_down(heap, size)
                continue
            taken[n_taken] = heap[0]
            n_taken += 1
            keep(chosen, node)
        size -= 1
        heap[0] = heap[size]
        sift_down(heap, size)
    return n_taken


def select_nodes(
    order, scores, parents, areas, double threshold=1.0, double diversity=0.0,
    limit=None,
):
    """Choose nodes one by one, each the best that is left given those before it.

    A candidate is dropped if it overlaps a chosen node by more than the threshold
    (non-maximum suppression). With diversity, the score of the others falls with their
    largest overlap: a positive score s becomes s * (1 - diversity * IoU), as maximal
    marginal relevance does. Takes O(S (depth + log S)) time for S candidates in
    practice.

    References: Carbonell and Goldstein, The Use of MMR, SIGIR 1998; Carreira and
    Sminchisescu, CPMC, PAMI 2012, for masks.

    Args:
        order: (S,) int array of node ids, best first.
        scores: (S,) float64 array, falling.
        parents: (n,) int32 array, -1 for roots.
        areas: (n,) int64 array, in pixels.
        threshold: A node is dropped if its IoU with a chosen one is strictly above it.
        diversity: In [0, 1].
        limit: Number of nodes to choose at most; no limit if None.

    Returns:
        Tuple of places in `order` ((k,) int64) and the scores that the nodes had when
        they were chosen ((k,) float64, falling; ties in the order of the candidates).

    Raises:
        ValueError: If there are not as many scores as candidates, or they rise.

    Example:
        >>> import numpy as np
        >>> parents = np.array([2, 2, -1], np.int32)  # nodes 0 and 1 lie in node 2
        >>> places, scores = select_nodes(
        ...     [2, 0, 1], [.9, .8, .6], parents, [60, 40, 100], diversity=1.)
        >>> places.tolist(), scores.round(2).tolist()
        ([0, 2, 1], [0.9, 0.36, 0.32])
    """
    cdef const int64_t[::1] nodes = np.ascontiguousarray(order, np.int64)
    cdef const double[::1] values = np.ascontiguousarray(scores, np.float64)
    cdef const int32_t[::1] parent_of = np.ascontiguousarray(parents, np.int32)
    cdef const double[::1] area_of = np.ascontiguousarray(areas, np.float64)
    cdef Py_ssize_t n_candidates = len(nodes), index, n_taken
    cdef Py_ssize_t most = n_candidates if limit is None else limit
    if len(values) != n_candidates or (np.diff(values) > 0).any():
        raise ValueError('every candidate needs a score, the best first')
    if n_candidates == 0:
        return np.empty(0, np.int64), np.empty(0)
    heap = np.empty(n_candidates, [('score', 'f8'), ('index', 'i4'), ('', 'i4')])
    taken = np.empty_like(heap)
    cdef unsigned char[::1] heap_bytes = heap.view(np.uint8)
    cdef unsigned char[::1] taken_bytes = taken.view(np.uint8)
    cdef Candidate* waiting = <Candidate*> &heap_bytes[0]
    cdef unsigned char[::1] kept = np.zeros(len(parent_of), np.uint8)
    cdef double[::1] largest_inside = np.zeros(len(parent_of))
    cdef Chosen chosen
    chosen.parents = &parent_of[0]
    chosen.areas = &area_of[0]
    chosen.kept = &kept[0]
    chosen.largest_inside = &largest_inside[0]
    with nogil:
        for index in range(n_candidates):  # falling scores are a heap already
            waiting[index].score = values[index]
            waiting[index].index = <int32_t> index
        n_taken = choose(
            &nodes[0], &values[0], waiting, n_candidates, &chosen, threshold, diversity,
            <Candidate*> &taken_bytes[0], most,
        )
    taken = taken[:n_taken]
    return taken['index'].astype(np.int64), taken['score'].copy()
