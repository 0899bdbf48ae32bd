"""Marker-controlled watershed by priority flooding, in linear time.

Reference: F. Meyer, Topographic distance and watershed lines, Signal Processing 38,
1994. The order of flooding is that of `skimage.segmentation.watershed`.

Pixels wait in a bucket queue with one bucket for each distinct value of the relief, so
the order is exactly that of the floating-point numbers. The buckets come from a radix
sort; a tree of bits over them finds the lowest one that is not empty.
"""

import numpy as np

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil

cdef enum:
    DIGIT_BITS = 11
    N_DIGITS = 3  # 3 x 11 bits hold the 32 of a float
    N_VALUES = 1 << DIGIT_BITS
    MAX_LEVELS = 6  # 64 ** 6 buckets


# ------------------------------------------------------------------ order of values
cdef inline uint64_t make_entry(float value, Py_ssize_t pixel) noexcept nogil:
    """Pack a pixel under an unsigned integer that orders as its value does."""
    cdef uint32_t bits
    value = value + <float> 0.0  # there is one zero, not two
    memcpy(&bits, &value, 4)
    if bits >> 31:
        bits = ~bits
    else:
        bits |= <uint32_t> 1 << 31
    return <uint64_t> bits << 32 | <uint64_t> pixel


cdef uint64_t* sort_entries(
    uint64_t* entries, uint64_t* spare, Py_ssize_t n
) noexcept nogil:
    """Sort by value; return the one of the two arrays that holds the result.

    A radix sort with the lowest digit first. Digits that all values share cost no pass.
    """
    cdef Py_ssize_t[N_DIGITS][N_VALUES] starts
    cdef Py_ssize_t i, start, n_with
    cdef int digit, shift, value
    cdef uint64_t* swap
    memset(starts, 0, sizeof(starts))
    for i in range(n):
        for digit in range(N_DIGITS):
            value = entries[i] >> (32 + digit * DIGIT_BITS) & (N_VALUES - 1)
            starts[digit][value] += 1
    for digit in range(N_DIGITS):
        shift = 32 + digit * DIGIT_BITS
        if starts[digit][entries[0] >> shift & (N_VALUES - 1)] == n:
            continue
        start = 0
        for value in range(N_VALUES):
            n_with = starts[digit][value]
            starts[digit][value] = start
            start += n_with
        for i in range(n):
            value = entries[i] >> shift & (N_VALUES - 1)
            spare[starts[digit][value]] = entries[i]
            starts[digit][value] += 1
        swap = entries
        entries = spare
        spare = swap
    return entries


cdef int32_t assign_buckets(
    const float[::1] values, uint64_t* entries, uint64_t* spare, int32_t* bucket
) noexcept nogil:
    """Number the distinct values from 0; return how many there are."""
    cdef Py_ssize_t i, n = values.shape[0]
    cdef int32_t current = 0
    for i in range(n):
        entries[i] = make_entry(values[i], i)
    entries = sort_entries(entries, spare, n)
    for i in range(n):
        if i > 0 and entries[i] >> 32 != entries[i - 1] >> 32:
            current += 1
        bucket[<uint32_t> entries[i]] = current
    return current + 1


# ------------------------------------------------------------------ bucket queue
cdef struct Queue:
    int32_t* head       # first pixel of a bucket
    int32_t* tail       # its last one
    int32_t* following  # next pixel in the same bucket, -1 at the end
    uint64_t* bits[MAX_LEVELS]  # whether a bucket, or a word below, is not empty
    int n_levels


cdef inline void push(Queue* queue, int32_t bucket, int32_t pixel) noexcept nogil:
    cdef Py_ssize_t place = bucket
    cdef uint64_t* word
    cdef int level
    queue.following[pixel] = -1
    if queue.bits[0][place >> 6] >> (place & 63) & 1:
        queue.following[queue.tail[bucket]] = pixel
        queue.tail[bucket] = pixel
        return
    queue.head[bucket] = pixel
    queue.tail[bucket] = pixel
    for level in range(queue.n_levels):
        word = &queue.bits[level][place >> 6]
        if word[0]:
            word[0] |= <uint64_t> 1 << (place & 63)
            return
        word[0] = <uint64_t> 1 << (place & 63)
        place >>= 6


cdef inline int32_t pop(Queue* queue) noexcept nogil:
    """Take the first pixel of the lowest bucket; -1 if there is none."""
    cdef int level
    cdef Py_ssize_t place = 0
    cdef int32_t pixel
    if queue.bits[queue.n_levels - 1][0] == 0:
        return -1
    for level in range(queue.n_levels - 1, -1, -1):
        place = place << 6 | __builtin_ctzll(queue.bits[level][place])
    pixel = queue.head[place]
    queue.head[place] = queue.following[pixel]
    if queue.following[pixel] < 0:
        for level in range(queue.n_levels):
            queue.bits[level][place >> 6] &= ~(<uint64_t> 1 << (place & 63))
            if queue.bits[level][place >> 6]:
                break
            place >>= 6
    return pixel


cdef bint make_queue(Queue* queue, Py_ssize_t n_buckets, Py_ssize_t n) noexcept nogil:
    """Allocate an empty queue; False if there is no memory."""
    cdef Py_ssize_t n_words = n_buckets
    memset(queue, 0, sizeof(Queue))
    queue.head = <int32_t*> malloc(n_buckets * sizeof(int32_t))
    queue.tail = <int32_t*> malloc(n_buckets * sizeof(int32_t))
    queue.following = <int32_t*> malloc(n * sizeof(int32_t))
    if queue.head == NULL or queue.tail == NULL or queue.following == NULL:
        return False
    while n_words > 1 or queue.n_levels == 0:
        n_words = (n_words + 63) >> 6
        queue.bits[queue.n_levels] = <uint64_t*> calloc(n_words, sizeof(uint64_t))
        if queue.bits[queue.n_levels] == NULL:
            return False
        queue.n_levels += 1
    return True


cdef void free_queue(Queue* queue) noexcept nogil:
    cdef int level
    free(queue.head)
    free(queue.tail)
    free(queue.following)
    for level in range(MAX_LEVELS):
        free(queue.bits[level])


# ------------------------------------------------------------------ flooding
cdef void flood(
    const int32_t* bucket, int32_t[::1] labels, const int32_t* steps, Queue* queue
) noexcept nogil:
    """Grow the positive labels into the zeros; negative labels are walls."""
    cdef int32_t pixel, neighbour, label
    cdef int k
    for pixel in range(<int32_t> labels.shape[0]):
        if labels[pixel] > 0:
            push(queue, bucket[pixel], pixel)
    while True:
        pixel = pop(queue)
        if pixel < 0:
            return
        label = labels[pixel]
        for k in range(8):
            neighbour = pixel + steps[k]
            if labels[neighbour] == 0:
                labels[neighbour] = label
                push(queue, bucket[neighbour], neighbour)


cdef int run(
    const float[::1] values, int32_t[::1] labels, const int32_t* steps
) noexcept nogil:
    """Flood the padded maps; return -1 if there is no memory."""
    cdef Py_ssize_t n = values.shape[0]
    cdef uint64_t* entries = <uint64_t*> malloc(n * sizeof(uint64_t))
    cdef uint64_t* spare = <uint64_t*> malloc(n * sizeof(uint64_t))
    cdef int32_t* bucket = <int32_t*> malloc(n * sizeof(int32_t))
    cdef bint enough = entries != NULL and spare != NULL and bucket != NULL
    cdef int32_t n_buckets = 0
    cdef Queue queue
    if enough:
        n_buckets = assign_buckets(values, entries, spare, bucket)
    free(entries)
    free(spare)
    if enough:
        enough = make_queue(&queue, n_buckets, n)
        if enough:
            flood(bucket, labels, steps, &queue)
        free_queue(&queue)
    free(bucket)
    return 0 if enough else -1


def watershed(relief, markers):
    """Flood a relief from markers until every pixel has a label.

    Pixels are taken by rising relief, equal ones in the order in which they were
    reached (markers first, in raster order), and give their label to all unlabelled
    ones of their 8 neighbours, the 4 nearest first. There are no watershed lines.
    Takes O(N) time and memory for N pixels.

    Args:
        relief: (H, W) float32 array, the surface to flood; fewer than 2^31 pixels.
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
    cdef const float[::1] values = np.pad(np.asarray(relief, np.float32), 1).ravel()
    cdef int32_t width = labels.shape[1]
    cdef int32_t[8] steps = [
        -width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1
    ]
    cdef int status
    with nogil:
        status = run(values, flat_labels, steps)
    if status:
        raise MemoryError(f'no memory to flood {np.shape(relief)} pixels')
    return labels[1:-1, 1:-1].copy()
