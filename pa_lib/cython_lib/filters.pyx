"""Separable filters over whole maps, one pass over the memory each.

Sums are spelled out in one order: where the second differences of a symmetric shape
cancel, rounding decides the direction, and no library's filter promises an order.
"""

import numpy as np

from libc.math cimport fabs, sqrt
from libc.string cimport memcpy, memset

cdef enum:
    REACH = 4
    TAPS = 2 * REACH + 1
    BLOCK = 64  # columns that are filtered at a time: they fit into the cache

cdef double[TAPS] TRIANGLE = [
    1 / 25.0, 2 / 25.0, 3 / 25.0, 4 / 25.0, 5 / 25.0,
    4 / 25.0, 3 / 25.0, 2 / 25.0, 1 / 25.0,
]
TRIANGLE_FILTER = tuple(TRIANGLE)
"""Smoothing filter along one axis; its outer product with itself sums to 1."""


ctypedef fused real:
    float
    double


ctypedef fused number:
    double
    unsigned char


cdef void smooth_row(
    const number[:, ::1] image, Py_ssize_t i, double* padded, double* out
) noexcept nogil:
    """Smooth along the columns, then along the row; `padded` is zero at its ends."""
    cdef Py_ssize_t width = image.shape[1], j, row
    cdef double* middle = padded + REACH
    cdef const number* source
    cdef double weight
    cdef int k
    memset(middle, 0, width * sizeof(double))
    for k in range(TAPS):
        row = i + k - REACH
        if 0 <= row < image.shape[0]:
            source = &image[row, 0]
            weight = TRIANGLE[k]
            for j in range(width):
                middle[j] += weight * source[j]
    memset(out, 0, width * sizeof(double))
    for k in range(TAPS):
        weight = TRIANGLE[k]
        for j in range(width):
            out[j] += weight * padded[j + k]


cdef inline void difference_row(
    const double* above, const double* here, const double* below, Py_ssize_t width,
    double* across_columns, double* across_rows,
) noexcept nogil:
    """Second differences of a row between two others, each padded by a zero."""
    cdef Py_ssize_t j
    cdef double diagonal, difference
    for j in range(width):
        diagonal = above[j] - above[j + 2] - below[j] + below[j + 2]
        difference = 2.0 * here[j + 1] - here[j] - here[j + 2]
        across_columns[j] = -difference if diagonal > 0 else difference
        across_rows[j] = 2.0 * here[j + 1] - above[j + 1] - below[j + 1]


cdef struct Smoothed:
    double* padded  # scratch of smooth_row
    double* above   # three smoothed rows, each between two zeros
    double* here
    double* below


cdef inline Py_ssize_t scratch_size(Py_ssize_t width) noexcept nogil:
    """Numbers, all zero at first, that filtering row by row needs."""
    return width + 2 * REACH + 3 * (width + 2)


cdef void begin(
    Smoothed* smoothed, const number[:, ::1] image, double* memory
) noexcept nogil:
    """Prepare to go over an image from the top."""
    cdef Py_ssize_t width = image.shape[1]
    smoothed.padded = memory
    smoothed.above = memory + width + 2 * REACH
    smoothed.here = smoothed.above + width + 2
    smoothed.below = smoothed.here + width + 2
    smooth_row(image, 0, smoothed.padded, smoothed.here + 1)


cdef void advance(
    Smoothed* smoothed, const number[:, ::1] image, Py_ssize_t i,
    double* across_columns, double* across_rows,
) noexcept nogil:
    """Second differences of row i, which is the next one."""
    cdef Py_ssize_t width = image.shape[1]
    cdef double* swap = smoothed.above
    if i + 1 < image.shape[0]:
        smooth_row(image, i + 1, smoothed.padded, smoothed.below + 1)
    else:
        memset(smoothed.below, 0, (width + 2) * sizeof(double))
    difference_row(
        smoothed.above, smoothed.here, smoothed.below, width,
        across_columns, across_rows,
    )
    smoothed.above = smoothed.here
    smoothed.here = smoothed.below
    smoothed.below = swap


def edge_directions(edge_map):
    """Second differences of a map that is smoothed by a triangle of nine pixels.

    The angle of (across_rows, across_columns) in the plane is the direction of the
    edge, modulo half a turn. Takes O(N) time.

    Args:
        edge_map: (H, W) float64 array, edge strength; zero outside the image.

    Returns:
        Tuple of two (H, W) float64 arrays: the second difference across the columns,
        with the sign of the edge's slope, and that across the rows.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((21, 21))
        >>> line[:, 10] = 1
        >>> across_columns, across_rows = edge_directions(line)
        >>> bool(across_columns[10, 10] > 0), bool(abs(across_rows[10, 10]) < 1e-9)
        (True, True)
    """
    cdef const double[:, ::1] image = np.ascontiguousarray(edge_map, np.float64)
    cdef Py_ssize_t height = image.shape[0], width = image.shape[1], i
    columns = np.empty((height, width))
    rows = np.empty((height, width))
    cdef double[:, ::1] columns_view = columns, rows_view = rows
    if height == 0 or width == 0:
        return columns, rows
    cdef double[::1] memory = np.zeros(scratch_size(width))
    cdef Smoothed smoothed
    with nogil:
        begin(&smoothed, image, &memory[0])
        for i in range(height):
            advance(&smoothed, image, i, &columns_view[i, 0], &rows_view[i, 0])
    return columns, rows


cdef inline double agreement(
    double columns, double rows, double other_columns, double other_rows
) noexcept nogil:
    """Absolute cosine between two directions; without differences they are 0."""
    cdef double length = sqrt(columns * columns + rows * rows)
    cdef double other = sqrt(
        other_columns * other_columns + other_rows * other_rows
    )
    if length == 0:
        rows = length = 1.0
    if other == 0:
        other_rows = other = 1.0
    return fabs(
        rows / length * (other_rows / other)
        + columns / length * (other_columns / other)
    )


cdef void align(
    const double[:, ::1] boundary, const unsigned char[:, ::1] lines,
    double* memory, double[:, ::1] aligned,
) noexcept nogil:
    """Weigh the boundary on the lines, row by row."""
    cdef Py_ssize_t height = lines.shape[0], width = lines.shape[1], i, j
    cdef Smoothed one, two
    cdef double* columns = memory
    cdef double* rows = columns + width
    cdef double* line_columns = rows + width
    cdef double* line_rows = line_columns + width
    memory = line_rows + width
    begin(&one, boundary, memory)
    begin(&two, lines, memory + scratch_size(width))
    for i in range(height):
        advance(&one, boundary, i, columns, rows)
        advance(&two, lines, i, line_columns, line_rows)
        for j in range(width):
            aligned[i, j] = 0.0
            if lines[i, j]:
                aligned[i, j] = boundary[i, j] * agreement(
                    line_columns[j], line_rows[j], columns[j], rows[j]
                )


def align_strength(boundary, lines):
    """Weigh a boundary map by how well lines follow it.

    The weight is the absolute cosine between the directions of the two maps, see
    `edge_directions`. Takes O(N) time.

    Args:
        boundary: (H, W) float64 array, predicted boundary strength.
        lines: (H, W) bool array.

    Returns:
        (H, W) float64 array, zero off the lines.

    Raises:
        ValueError: If the two differ in shape.

    Example:
        >>> import numpy as np
        >>> cross = np.zeros((21, 21))
        >>> cross[:, 10] = 0.8
        >>> aligned = align_strength(cross, cross > 0)
        >>> float(aligned[10, 10]), float(aligned[10, 12])
        (0.8, 0.0)
    """
    if np.shape(boundary) != np.shape(lines):
        raise ValueError(
            f'boundary {np.shape(boundary)} and lines {np.shape(lines)} differ in shape'
        )
    cdef const unsigned char[:, ::1] on_line = np.ascontiguousarray(
        lines, bool
    ).view(np.uint8)
    cdef Py_ssize_t height = on_line.shape[0], width = on_line.shape[1]
    cdef const double[:, ::1] strength = np.ascontiguousarray(boundary, np.float64)
    aligned = np.empty((height, width))
    if height == 0 or width == 0:
        return aligned
    cdef double[:, ::1] out = aligned
    cdef double[::1] memory = np.zeros(4 * width + 2 * scratch_size(width))
    with nogil:
        align(strength, on_line, &memory[0], out)
    return aligned


cdef inline void widen(
    real* line, Py_ssize_t length, Py_ssize_t stride, Py_ssize_t breadth,
    Py_ssize_t size,
) noexcept nogil:
    """Replace each of `length` entries by the maximum of `size` from it on.

    An entry is `breadth` numbers; entries are `stride` numbers apart. Windows double
    until they reach the size, so the cost grows with its logarithm.
    """
    cdef Py_ssize_t window = 1, step, i, j, last = length + size - 1
    cdef real* one
    cdef real* two
    while window < size:
        step = min(window, size - window)
        last -= step
        for i in range(last):
            one = line + i * stride
            two = one + step * stride
            for j in range(breadth):
                one[j] = one[j] if one[j] > two[j] else two[j]
        window += step


cdef void take_maximum(
    const real[:, ::1] source, Py_ssize_t size, real[::1] line, real[:, ::1] block,
    real[:, ::1] out,
) noexcept nogil:
    """Maximum over the rows of the window, then over its columns, block by block."""
    cdef Py_ssize_t height = source.shape[0], width = source.shape[1]
    cdef Py_ssize_t before = size // 2, i, j, start = 0, breadth
    for i in range(height):
        for j in range(before):
            line[j] = source[i, 0]
        memcpy(&line[before], &source[i, 0], width * sizeof(real))
        for j in range(before + width, width + size):
            line[j] = source[i, width - 1]
        widen(&line[0], width, 1, 1, size)
        memcpy(&out[i, 0], &line[0], width * sizeof(real))
    while start < width:
        breadth = min(<Py_ssize_t> BLOCK, width - start)
        for i in range(height + size):
            j = min(max(i - before, 0), height - 1)
            memcpy(&block[i, 0], &out[j, start], breadth * sizeof(real))
        widen(&block[0, 0], height, BLOCK, breadth, size)
        for i in range(height):
            memcpy(&out[i, start], &block[i, 0], breadth * sizeof(real))
        start += BLOCK


def window_maximum(image, Py_ssize_t size):
    """Take the maximum of the square window around each pixel.

    A window of even size reaches one pixel further up and left than down and right;
    the frame of the image is repeated outside. Takes O(N log size) time.

    Args:
        image: (H, W) float32 or float64 array without NaN.
        size: Side of the window, px.

    Returns:
        (H, W) array of the same type.

    Example:
        >>> import numpy as np
        >>> window_maximum(np.array([[0., 3., 1., 2.]]), 2)
        array([[0., 3., 3., 2.]])
    """
    image = np.asarray(image)
    dtype = np.float32 if image.dtype == np.float32 else np.float64
    image = np.ascontiguousarray(image, dtype)
    cdef Py_ssize_t height = image.shape[0], width = image.shape[1]
    result = np.empty_like(image)
    if height == 0 or width == 0:
        return result
    line = np.empty(width + size, dtype)
    block = np.empty((height + size, BLOCK), dtype)
    if dtype == np.float32:
        take_maximum[float](image, size, line, block, result)
    else:
        take_maximum[double](image, size, line, block, result)
    return result
