"""Marker-controlled watershed by priority flooding.

Reference: F. Meyer, Topographic distance and watershed lines, Signal Processing 38,
1994. The order of flooding is that of `skimage.segmentation.watershed`.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc


cdef struct Item:
    double value
    int64_t order  # insertion number in the upper half, pixel in the lower half


cdef inline bint precedes(Item a, Item b) noexcept nogil:
    return a.value < b.value or (a.value == b.value and a.order < b.order)


cdef inline void push(Item* heap, Py_ssize_t size, Item item) noexcept nogil:
    """Add an item to a binary heap of `size` items."""
    cdef Py_ssize_t child = size, parent
    while child > 0:
        parent = (child - 1) >> 1
        if not precedes(item, heap[parent]):
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = item


cdef inline Item pop(Item* heap, Py_ssize_t size) noexcept nogil:
    """Take the first item out of a binary heap of `size` items."""
    cdef Item first = heap[0]
    cdef Item last = heap[size - 1]
    cdef Py_ssize_t parent = 0, child = 1
    size -= 1
    while child < size:
        if child + 1 < size and precedes(heap[child + 1], heap[child]):
            child += 1
        if not precedes(heap[child], last):
            break
        heap[parent] = heap[child]
        parent = child
        child = 2 * parent + 1
    heap[parent] = last
    return first


cdef void flood(
    const double[::1] values, int32_t[::1] labels, const int64_t* steps, Item* heap
) noexcept nogil:
    """Grow the positive labels into the zeros; negative labels are walls."""
    cdef Py_ssize_t pixel, neighbour, size = 0
    cdef int64_t inserted = 0
    cdef int k
    cdef Item item
    for pixel in range(labels.shape[0]):
        if labels[pixel] > 0:
            item.value = values[pixel]
            item.order = inserted << 32 | pixel
            push(heap, size, item)
            size += 1
            inserted += 1
    while size > 0:
        pixel = pop(heap, size).order & 0xFFFFFFFFLL
        size -= 1
        for k in range(8):
            neighbour = pixel + steps[k]
            if labels[neighbour] == 0:
                labels[neighbour] = labels[pixel]
                item.value = values[neighbour]
                item.order = inserted << 32 | neighbour
                push(heap, size, item)
                size += 1
                inserted += 1


def watershed(relief, markers):
    """Flood a relief from markers until every pixel has a label.

    Pixels are taken by rising relief, equal ones in the order in which they were
    reached (markers first, in raster order), and give their label to all unlabelled
    ones of their 8 neighbours, the 4 nearest first. There are no watershed lines.
    Takes O(N log N) time and O(N) memory for N pixels.

    Args:
        relief: (H, W) float64 array, the surface to flood.
        markers: (H, W) int32 array, 0 where there is no marker, labels >= 1 elsewhere.

    Returns:
        (H, W) int32 array of labels. Where no marker exists at all, it is all zeros.

    Raises:
        ValueError: If the two differ in shape.

    Example:
        >>> import numpy as np
        >>> relief = np.array([[0., 1., 5., 1., 0.]])
        >>> markers = np.array([[1, 0, 0, 0, 2]], np.int32)
        >>> watershed(relief, markers)
        array([[1, 1, 1, 2, 2]], dtype=int32)
    """
    if np.shape(relief) != np.shape(markers):
        raise ValueError(
            f'relief {np.shape(relief)} and markers {np.shape(markers)} differ in shape'
        )
    # A frame of walls spares the flooding all tests for the border.
    labels = np.pad(np.asarray(markers, np.int32), 1, constant_values=-1)
    cdef int32_t[::1] flat_labels = labels.ravel()
    cdef const double[::1] values = np.pad(np.asarray(relief, np.float64), 1).ravel()
    cdef int64_t width = labels.shape[1]
    cdef int64_t[8] steps = [
        -width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1
    ]
    cdef Item* heap = <Item*> malloc(labels.size * sizeof(Item))
    if heap == NULL:
        raise MemoryError()
    try:
        with nogil:
            flood(values, flat_labels, steps, heap)
    finally:
        free(heap)
    return labels[1:-1, 1:-1].copy()
