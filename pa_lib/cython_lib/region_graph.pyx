"""Region adjacency graph of a label map, weighted by an edge map."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef inline int adjacent_regions(
    const int32_t[:, ::1] labels, Py_ssize_t i, Py_ssize_t j, int32_t* found
) noexcept nogil:
    """List the distinct other labels in the 3x3 window of a pixel."""
    cdef Py_ssize_t row, col
    cdef int32_t own = labels[i, j], label
    cdef int n = 0, k
    for row in range(max(i - 1, 0), min(i + 2, labels.shape[0])):
        for col in range(max(j - 1, 0), min(j + 2, labels.shape[1])):
            label = labels[row, col]
            if label == own:
                continue
            for k in range(n):
                if found[k] == label:
                    break
            else:
                found[n] = label
                n += 1
    return n


cdef inline int keep_extremes(int32_t own, int32_t* found, int n) noexcept nogil:
    """Reduce a list of labels to the extremes of the window, `own` included."""
    cdef int32_t low = own, high = own
    cdef int k
    for k in range(n):
        low = min(low, found[k])
        high = max(high, found[k])
    n = 0
    if low != own:
        found[n] = low
        n += 1
    if high != own:
        found[n] = high
        n += 1
    return n


cdef struct Pair:
    int64_t key    # lower label in the upper half, higher one in the lower half
    double total   # of the samples
    int64_t count  # of the samples


cdef struct Table:
    Pair* pairs        # in the order in which they were met
    int32_t* slots     # index into pairs, -1 where free; their number is a power of 2
    int32_t n_pairs
    int32_t mask       # number of slots - 1


cdef inline int32_t find_slot(const Table* table, int64_t key) noexcept nogil:
    """Slot that holds a pair, or the free one where it belongs."""
    cdef int32_t slot = <int32_t> (
        (<uint64_t> key * <uint64_t> 0x9E3779B97F4A7C15) >> 33
    ) & table.mask
    while table.slots[slot] >= 0 and table.pairs[table.slots[slot]].key != key:
        slot = (slot + 1) & table.mask
    return slot


cdef bint grow(Table* table) noexcept nogil:
    """Make room for as many pairs again; False if there is no memory."""
    cdef int32_t n_slots = 2 * (table.mask + 1), k
    cdef Pair* pairs = <Pair*> realloc(table.pairs, n_slots // 2 * sizeof(Pair))
    if pairs == NULL:
        return False
    table.pairs = pairs
    cdef int32_t* slots = <int32_t*> realloc(table.slots, n_slots * sizeof(int32_t))
    if slots == NULL:
        return False
    table.slots = slots
    table.mask = n_slots - 1
    memset(slots, -1, n_slots * sizeof(int32_t))
    for k in range(table.n_pairs):
        slots[find_slot(table, pairs[k].key)] = k
    return True


cdef inline bint add_sample(
    Table* table, int32_t one, int32_t other, double sample
) noexcept nogil:
    """Count a sample for two labels; False if there is no memory."""
    cdef int64_t key = <int64_t> min(one, other) << 32 | max(one, other)
    cdef int32_t slot = find_slot(table, key)
    cdef Pair* pair
    if table.slots[slot] < 0:
        if 2 * (table.n_pairs + 1) > table.mask:
            if not grow(table):
                return False
            slot = find_slot(table, key)
        table.slots[slot] = table.n_pairs
        pair = &table.pairs[table.n_pairs]
        pair.key = key
        pair.total = 0
        pair.count = 0
        table.n_pairs += 1
    pair = &table.pairs[table.slots[slot]]
    pair.total += sample
    pair.count += 1
    return True


cdef inline bint is_interior(
    const int32_t[:, ::1] labels, Py_ssize_t i, Py_ssize_t j
) noexcept nogil:
    """Whether the window lies in the image and holds a single label."""
    cdef Py_ssize_t width = labels.shape[1]
    if i == 0 or j == 0 or i == labels.shape[0] - 1 or j == width - 1:
        return False
    cdef const int32_t* above = &labels[i - 1, j - 1]
    cdef const int32_t* here = above + width
    cdef const int32_t* below = here + width
    cdef int32_t own = here[1]
    return not (
        (above[0] ^ own) | (above[1] ^ own) | (above[2] ^ own)
        | (here[0] ^ own) | (here[2] ^ own)
        | (below[0] ^ own) | (below[1] ^ own) | (below[2] ^ own)
    )


cdef bint collect(
    const int32_t[:, ::1] labels, const double[:, ::1] edge_map, bint extremes_only,
    Table* table,
) noexcept nogil:
    """Take one sample for each pixel and adjacent region; False without memory."""
    cdef Py_ssize_t i, j
    cdef int32_t[8] found
    cdef int32_t own
    cdef int n, k
    if not grow(table):
        return False
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if is_interior(labels, i, j):
                continue
            own = labels[i, j]
            n = adjacent_regions(labels, i, j, found)
            if extremes_only and n > 0:
                n = keep_extremes(own, found, n)
            for k in range(n):
                if not add_sample(table, own, found[k], edge_map[i, j]):
                    return False
    return True


def region_graph(labels, edge_map, bint legacy=False):
    """Measure the mean edge strength between adjacent regions.

    Each pixel gives its edge value once to every pair made of its own region and
    another region in its 3x3 window, so both sides of a boundary contribute. Takes
    O(N + E log E) time for N pixels and E pairs.

    Args:
        labels: (H, W) int32 array, labels 1..L.
        edge_map: (H, W) float64 array, edge strength.
        legacy: Look only at the smallest and the largest label of each window, as the
            code released with GGN does; where three or more regions meet, the ones in
            between then miss samples.

    Returns:
        Tuple of the region pairs ((E, 2) int32, indices from 0, lower one first, in
        lexical order), their weights ((E,) float64, mean of the samples) and counts
        ((E,) int64, number of samples).

    Raises:
        ValueError: If the two differ in shape.

    Example:
        >>> import numpy as np
        >>> labels = np.tile(np.array([1, 1, 2, 2], np.int32), (3, 1))
        >>> pairs, weights, counts = region_graph(
        ...     labels, np.tile([0., .2, .6, 0.], (3, 1)))
        >>> pairs.tolist(), weights.round(6).tolist(), counts.tolist()
        ([[0, 1]], [0.4], [6])
    """
    cdef const int32_t[:, ::1] label_map = np.ascontiguousarray(labels, np.int32)
    cdef const double[:, ::1] edges = np.ascontiguousarray(edge_map, np.float64)
    if label_map.shape[0] != edges.shape[0] or label_map.shape[1] != edges.shape[1]:
        raise ValueError(
            f'labels {np.shape(labels)} and edge_map {np.shape(edge_map)} differ in shape'
        )
    cdef Table table
    cdef bint enough
    cdef Py_ssize_t k
    table.pairs = NULL
    table.slots = NULL
    table.n_pairs = 0
    table.mask = 511
    try:
        with nogil:
            enough = collect(label_map, edges, legacy, &table)
        if not enough:
            raise MemoryError(f'no memory for {table.n_pairs} pairs of regions')
        keys = np.empty(table.n_pairs, np.int64)
        totals = np.empty(table.n_pairs)
        counts = np.empty(table.n_pairs, np.int64)
        for k in range(table.n_pairs):
            keys[k] = table.pairs[k].key
            totals[k] = table.pairs[k].total
            counts[k] = table.pairs[k].count
    finally:
        free(table.pairs)
        free(table.slots)
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32) - 1
    return pairs, totals[order] / counts, counts
