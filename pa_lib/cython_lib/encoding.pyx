"""Run-length encoding of tree nodes, straight from the runs of their leaves.

Reference for the format: COCO's mask API (run lengths down the columns; from the fourth
on as differences from the run two before; groups of five bits as printable characters).
"""

import numpy as np

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc


cdef struct Text:
    char* characters
    Py_ssize_t length
    Py_ssize_t capacity
    int64_t[2] last  # the two runs before
    int n_runs


cdef inline bint append_run(Text* text, int64_t run) noexcept nogil:
    """Write one run length; False if there is no memory."""
    cdef char* larger
    cdef int64_t rest = run - text.last[0] if text.n_runs > 2 else run
    cdef int group
    cdef bint more = True
    if text.length + 16 > text.capacity:
        text.capacity = 2 * text.capacity + 64
        larger = <char*> realloc(text.characters, text.capacity)
        if larger == NULL:
            return False
        text.characters = larger
    while more:
        group = rest & 31
        rest >>= 5
        more = rest != (-1 if group & 16 else 0)
        text.characters[text.length] = <char> (48 + (group | 32 if more else group))
        text.length += 1
    text.last[0] = text.last[1]
    text.last[1] = run
    text.n_runs += 1
    return True


cdef bint write_mask(
    const int64_t* starts, const int32_t* ranks, Py_ssize_t begin, Py_ssize_t stop,
    int32_t first, int32_t end, int64_t n_pixels, Text* text,
) noexcept nogil:
    """Encode the pixels with ranks in [first, end); none stand outside the runs."""
    cdef Py_ssize_t k
    cdef int64_t written = 0  # pixels in finished runs
    cdef bint inside = False
    for k in range(begin, stop):
        if (first <= ranks[k] < end) != inside:
            if not append_run(text, starts[k] - written):
                return False
            written = starts[k]
            inside = not inside
    if inside:
        if not append_run(text, starts[stop] - written):
            return False
        written = starts[stop]
    return written == n_pixels or append_run(text, n_pixels - written)


def encode_intervals(starts, ranks, intervals, int n_ranks):
    """Encode sets of consecutive ranks as masks.

    Takes O(R + sum of the runs between the first and the last pixel of each mask).

    Args:
        starts: (R + 1,) int64 array: first pixel of each run of equal ranks down the
            columns of a map, in order, then the number of pixels.
        ranks: (R,) int32 array, rank of each run.
        intervals: (k, 2) int array; mask i has the ranks in [first, end).
        n_ranks: Number of ranks.

    Returns:
        List of k byte strings, the `counts` of COCO's compressed encoding.

    Example:
        >>> import numpy as np
        >>> starts, ranks = np.array([0, 2, 3, 4]), np.array([0, 1, 2])
        >>> encode_intervals(starts, ranks, np.array([[1, 3], [0, 2]]), 3)
        [b'22', b'031']
    """
    cdef const int64_t[::1] start_of = np.ascontiguousarray(starts, np.int64)
    cdef const int32_t[::1] rank_of = np.ascontiguousarray(ranks, np.int32)
    cdef Py_ssize_t n_runs = rank_of.shape[0], i
    # A rank that is on no pixel, as after shrinking the map, takes no part.
    first_run = np.full(n_ranks, n_runs, np.int64)
    last_run = np.full(n_ranks, -1, np.int64)
    np.maximum.at(last_run, ranks, np.arange(n_runs))
    np.minimum.at(first_run, ranks, np.arange(n_runs))
    cdef Text text
    cdef Py_ssize_t begin, stop
    cdef int32_t first, end
    cdef bint enough
    encoded = []
    for i in range(len(intervals)):
        first, end = intervals[i]
        begin = first_run[first:end].min(initial=n_runs)
        stop = max(last_run[first:end].max(initial=-1) + 1, begin)
        text.characters = NULL
        text.length = text.capacity = text.n_runs = 0
        text.last[0] = text.last[1] = 0
        try:
            with nogil:
                enough = write_mask(
                    &start_of[0], &rank_of[0], begin, stop, first, end,
                    start_of[n_runs], &text,
                )
            if not enough:
                raise MemoryError('no memory for a run-length encoding')
            encoded.append(PyBytes_FromStringAndSize(text.characters, text.length))
        finally:
            free(text.characters)
    return encoded
