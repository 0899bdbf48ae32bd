"""Region adjacency graph of a label map, weighted by an edge map."""

import numpy as np

from libc.math cimport exp
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from pa_lib.cython_lib.pair_hash cimport hash_pair


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
    cdef int32_t slot = hash_pair(<int32_t> (key >> 32), <int32_t> key) & table.mask
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
    make_table(&table)
    try:
        with nogil:
            enough = collect(label_map, edges, legacy, &table)
        pairs, totals, counts = read_table(&table, enough)
    finally:
        free_table(&table)
    return pairs, totals / counts, counts


cdef void make_table(Table* table) noexcept nogil:
    table.pairs = NULL
    table.slots = NULL
    table.n_pairs = 0
    table.mask = 511


cdef void free_table(Table* table) noexcept nogil:
    free(table.pairs)
    free(table.slots)


cdef tuple read_table(Table* table, bint complete):
    """Return the pairs in lexical order, their totals and counts."""
    if not complete:
        raise MemoryError(f'no memory for {table.n_pairs} pairs of regions')
    cdef Py_ssize_t k
    keys = np.empty(table.n_pairs, np.int64)
    totals = np.empty(table.n_pairs)
    counts = np.empty(table.n_pairs, np.int64)
    cdef int64_t[::1] keys_view = keys, counts_view = counts
    cdef double[::1] totals_view = totals
    for k in range(table.n_pairs):
        keys_view[k] = table.pairs[k].key
        totals_view[k] = table.pairs[k].total
        counts_view[k] = table.pairs[k].count
    order = np.argsort(keys)
    keys = keys[order]
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32) - 1
    return pairs, totals[order], counts[order]


# ------------------------------------------------------------------ similarity
cdef inline void similarity_row(
    const double[:, ::1] boundary, Py_ssize_t i, double gamma, double* out
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(boundary.shape[1]):
        # Boundaries are zero off the watershed lines, which is nearly everywhere.
        out[j] = 1.0 if boundary[i, j] == 0 else exp(-boundary[i, j] / gamma)


cdef bint sum_similarity(
    const int32_t[:, ::1] labels, const double[:, ::1] boundary, double gamma,
    double* here, double* below, double* within, Table* table,
) noexcept nogil:
    """Add up 4-neighbours within regions and between them; False without memory."""
    cdef Py_ssize_t height = labels.shape[0], width = labels.shape[1], i, j
    cdef double* swap
    cdef int32_t own
    if not grow(table):
        return False
    similarity_row(boundary, 0, gamma, here)
    for i in range(height):
        if i + 1 < height:
            similarity_row(boundary, i + 1, gamma, below)
        for j in range(width):
            own = labels[i, j]
            within[own - 1] += 1.0  # the pixel itself
            if j + 1 < width:
                if not add_neighbours(
                    own, labels[i, j + 1], min(here[j], here[j + 1]), within, table
                ):
                    return False
            if i + 1 < height:
                if not add_neighbours(
                    own, labels[i + 1, j], min(here[j], below[j]), within, table
                ):
                    return False
        swap = here
        here = below
        below = swap
    return True


cdef inline bint add_neighbours(
    int32_t one, int32_t other, double similarity, double* within, Table* table
) noexcept nogil:
    if one == other:
        # Both directions of a pair within a region count for it.
        within[one - 1] += 2.0 * similarity
        return True
    return add_sample(table, one, other, similarity)


def region_similarity(labels, boundary, double gamma):
    """Sum the similarity of neighbouring pixels over regions.

    The similarity of 4-neighbours is exp(-b / gamma) for the stronger boundary b of the
    two, that of a pixel and itself is 1. Takes O(N + E log E) time.

    Args:
        labels: (H, W) int32 array, labels 1..L.
        boundary: (H, W) float64 array, not negative.
        gamma: Boundary strength at which the similarity has fallen to 1 / e.

    Returns:
        Tuple of the sum over each region ((L,) float64; pairs count in both directions,
        and each pixel with itself), the pairs of regions that touch ((E, 2) int32,
        indices from 0, lower one first, in lexical order) and the sums between them
        ((E,) float64, pairs of pixels count once).

    Raises:
        ValueError: If the two differ in shape.

    Example:
        >>> import numpy as np
        >>> labels = np.array([[1, 1, 2]], np.int32)
        >>> within, pairs, across = region_similarity(labels, np.zeros((1, 3)), 0.12)
        >>> within.tolist(), pairs.tolist(), across.tolist()
        ([4.0, 1.0], [[0, 1]], [1.0])
    """
    cdef const int32_t[:, ::1] label_map = np.ascontiguousarray(labels, np.int32)
    cdef const double[:, ::1] strength = np.ascontiguousarray(boundary, np.float64)
    if np.shape(labels) != np.shape(boundary):
        raise ValueError(
            f'labels {np.shape(labels)} and boundary {np.shape(boundary)} differ in shape'
        )
    within = np.zeros(np.max(np.asarray(label_map), initial=0))
    if len(within) == 0:
        return within, np.empty((0, 2), np.int32), np.empty(0)
    cdef double[::1] sums = within
    cdef double[:, ::1] rows = np.empty((2, label_map.shape[1]))
    cdef Table table
    cdef bint enough
    make_table(&table)
    try:
        with nogil:
            enough = sum_similarity(
                label_map, strength, gamma, &rows[0, 0], &rows[1, 0], &sums[0], &table
            )
        pairs, across, _ = read_table(&table, enough)
    finally:
        free_table(&table)
    return within, pairs, across
