"""Region adjacency graph of a label map, weighted by an edge map."""

import numpy as np

from libc.stdint cimport int32_t


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


cdef Py_ssize_t collect(
    const int32_t[:, ::1] labels, const double[:, ::1] edge_map, bint extremes_only,
    int32_t[::1] low, int32_t[::1] high, double[::1] samples, bint count_only,
) noexcept nogil:
    """Write one sample for each pixel and adjacent region; return their number."""
    cdef Py_ssize_t i, j, total = 0
    cdef int32_t[8] found
    cdef int32_t own
    cdef int n, k
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            n = adjacent_regions(labels, i, j, found)
            if n == 0:
                continue
            own = labels[i, j]
            if extremes_only:
                n = keep_extremes(own, found, n)
            if not count_only:
                for k in range(n):
                    low[total + k] = min(own, found[k]) - 1
                    high[total + k] = max(own, found[k]) - 1
                    samples[total + k] = edge_map[i, j]
            total += n
    return total


def region_graph(labels, edge_map, bint legacy=False):
    """Measure the mean edge strength between adjacent regions.

    Each pixel gives its edge value once to every pair made of its own region and
    another region in its 3x3 window, so both sides of a boundary contribute. Takes
    O(N + B log B) time for N pixels, B of them at a boundary.

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
    cdef int32_t[::1] low = np.empty(0, np.int32)
    cdef int32_t[::1] high = low
    cdef double[::1] samples = np.empty(0, np.float64)
    cdef Py_ssize_t total
    with nogil:
        total = collect(label_map, edges, legacy, low, high, samples, True)
    low = np.empty(total, np.int32)
    high = np.empty(total, np.int32)
    samples = np.empty(total, np.float64)
    with nogil:
        collect(label_map, edges, legacy, low, high, samples, False)

    keys = np.asarray(low).astype(np.int64) << 32 | np.asarray(high)
    keys, edge_of_sample = np.unique(keys, return_inverse=True)
    counts = np.bincount(edge_of_sample, minlength=len(keys))
    sums = np.bincount(edge_of_sample, weights=samples, minlength=len(keys))
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
    return pairs, sums / counts, counts
