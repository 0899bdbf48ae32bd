"""Marker-controlled watershed by priority flooding.

Reference: F. Meyer, Topographic distance and watershed lines, Signal Processing 38,
1994. The order of flooding is that of `skimage.segmentation.watershed`.

Pixels wait in buckets, each for a range of values that some eight pixels have, and no
bucket is put in order before the flood has reached it: then it is small, and a binary
heap gives its pixels by value and arrival, so the order is exactly that of the
floating-point numbers. A bucket with one value alone is a queue and needs no heap. Of a
pixel that waits only its number is kept, and what the next buckets will need is asked of
the memory in advance.
"""

import numpy as np

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    void __builtin_prefetch(const void*) noexcept nogil

cdef enum:
    PIXELS_A_BUCKET = 8
    N_BINS = 4096    # equal ranges in which values are counted, to size the buckets
    LOOKAHEAD = 8    # buckets
    WALL = -1
    CHUNK_SIZE = 15  # with the link, a chunk is one cache line


cdef struct Cell:
    float value
    int32_t label


cdef struct Chunk:
    int32_t following  # next chunk of the bucket
    int32_t[CHUNK_SIZE] pixels


cdef struct Bucket:
    int32_t head  # first chunk, -1 if there is none
    int32_t tail
    int32_t fill  # pixels in the last chunk
    bint mixed    # whether there are several values
    float value   # of the first pixel


cdef struct Waiting:
    uint64_t order  # value, then arrival
    int32_t pixel


cdef struct Queue:
    Bucket* buckets
    Chunk* chunks
    Waiting* heap      # pixels of the current bucket, and lower ones reached since
    int32_t n_buckets
    int32_t n_chunks   # in use at some time
    int32_t free_chunk
    int32_t heap_size
    uint32_t n_arrivals
    int32_t current    # bucket
    bint uniform       # the current bucket has one value, and is read in place
    float level        # that value
    int32_t chunk      # where it is read
    int32_t place
    float lowest
    int32_t width      # cells in a row
    double scale       # bins per unit
    int32_t[N_BINS + 1] first  # bucket of a bin


# ------------------------------------------------------------------ heap
cdef inline uint64_t value_order(float value) noexcept nogil:
    """Return an integer whose upper half orders as the value does."""
    cdef uint32_t bits
    value = value + <float> 0.0  # there is one zero, not two
    memcpy(&bits, &value, 4)
    if bits >> 31:
        bits = ~bits
    else:
        bits |= <uint32_t> 1 << 31
    return <uint64_t> bits << 32


cdef inline void push_heap(Queue* queue, float value, int32_t pixel) noexcept nogil:
    cdef uint64_t order = value_order(value) | queue.n_arrivals
    cdef Py_ssize_t slot = queue.heap_size, parent
    queue.n_arrivals += 1
    queue.heap_size += 1
    while slot > 0:
        parent = (slot - 1) >> 1
        if queue.heap[parent].order < order:
            break
        queue.heap[slot] = queue.heap[parent]
        slot = parent
    queue.heap[slot].order = order
    queue.heap[slot].pixel = pixel


cdef inline int32_t pop_heap(Queue* queue) noexcept nogil:
    cdef int32_t first = queue.heap[0].pixel
    cdef Py_ssize_t slot = 0, child = 1
    cdef Waiting moved
    queue.heap_size -= 1
    moved = queue.heap[queue.heap_size]
    while child < queue.heap_size:
        if (
            child + 1 < queue.heap_size
            and queue.heap[child + 1].order < queue.heap[child].order
        ):
            child += 1
        if moved.order < queue.heap[child].order:
            break
        queue.heap[slot] = queue.heap[child]
        slot = child
        child = 2 * slot + 1
    queue.heap[slot] = moved
    return first


# ------------------------------------------------------------------ buckets
cdef inline int32_t take_chunk(Queue* queue) noexcept nogil:
    cdef int32_t chunk = queue.free_chunk
    if chunk >= 0:
        queue.free_chunk = queue.chunks[chunk].following
    else:
        chunk = queue.n_chunks
        queue.n_chunks += 1
    return chunk


cdef inline void release_chunk(Queue* queue, int32_t chunk) noexcept nogil:
    queue.chunks[chunk].following = queue.free_chunk
    queue.free_chunk = chunk


cdef inline void append(
    Queue* queue, int32_t index, float value, int32_t pixel
) noexcept nogil:
    """Put a pixel at the end of a bucket."""
    cdef Bucket* bucket = &queue.buckets[index]
    cdef int32_t chunk
    if bucket.head < 0:
        bucket.head = bucket.tail = take_chunk(queue)
        bucket.fill = 0
        bucket.mixed = False
        bucket.value = value
    elif bucket.fill == CHUNK_SIZE:
        chunk = take_chunk(queue)
        queue.chunks[bucket.tail].following = chunk
        bucket.tail = chunk
        bucket.fill = 0
    bucket.mixed |= value != bucket.value
    queue.chunks[bucket.tail].pixels[bucket.fill] = pixel
    bucket.fill += 1


cdef inline int32_t find_bucket(Queue* queue, float value) noexcept nogil:
    """Number the bucket of a value.

    The place rises with the value whatever is rounded, within a bin and from one to the
    next, so a larger value never gets a lower bucket.
    """
    cdef double place = (<double> value - queue.lowest) * queue.scale
    cdef int32_t bin = <int32_t> place
    return queue.first[bin] + <int32_t> (
        (place - bin) * (queue.first[bin + 1] - queue.first[bin])
    )


cdef inline void push(Queue* queue, float value, int32_t pixel) noexcept nogil:
    cdef int32_t index = find_bucket(queue, value)
    if index > queue.current or (queue.uniform and value == queue.level):
        append(queue, index, value, pixel)
    else:
        push_heap(queue, value, pixel)


cdef inline int32_t pop(Queue* queue, const Cell* cells) noexcept nogil:
    """Take the pixel of the lowest value that came first; -1 if there is none."""
    cdef Bucket* bucket
    while True:
        if queue.uniform:
            bucket = &queue.buckets[queue.current]
            if queue.chunk != bucket.tail or queue.place < bucket.fill:
                # Pixels of the same value stand in the bucket, never in the heap.
                if queue.heap_size and queue.heap[0].order < value_order(queue.level):
                    return pop_heap(queue)
                return read_bucket(queue, cells)
        if queue.heap_size:
            return pop_heap(queue)
        if not open_bucket(queue, cells):
            return -1


cdef inline void fetch(
    const Queue* queue, const Cell* cells, const int32_t* pixels, int32_t n
) noexcept nogil:
    """Ask the memory for the neighbourhoods of some pixels."""
    cdef int32_t i
    for i in range(n):
        __builtin_prefetch(&cells[pixels[i] - queue.width])
        __builtin_prefetch(&cells[pixels[i]])
        __builtin_prefetch(&cells[pixels[i] + queue.width])


cdef inline int32_t chunk_fill(const Bucket* bucket, int32_t chunk) noexcept nogil:
    """Number of pixels in a chunk of a bucket."""
    return bucket.fill if chunk == bucket.tail else CHUNK_SIZE


cdef inline void go_to_chunk(
    Queue* queue, const Cell* cells, int32_t chunk
) noexcept nogil:
    """Read the current, uniform bucket from the start of a chunk on."""
    cdef const Bucket* bucket = &queue.buckets[queue.current]
    queue.chunk = chunk
    queue.place = 0
    fetch(queue, cells, queue.chunks[chunk].pixels, chunk_fill(bucket, chunk))


cdef inline int32_t read_bucket(Queue* queue, const Cell* cells) noexcept nogil:
    """Take the next pixel of the current, uniform bucket, which has one."""
    cdef int32_t following
    if queue.place == CHUNK_SIZE:
        following = queue.chunks[queue.chunk].following
        release_chunk(queue, queue.chunk)
        go_to_chunk(queue, cells, following)
    queue.place += 1
    return queue.chunks[queue.chunk].pixels[queue.place - 1]


cdef inline void look_ahead(Queue* queue, const Cell* cells) noexcept nogil:
    """Ask the memory for what the buckets further on will need."""
    cdef const Bucket* bucket
    if queue.current + 2 * LOOKAHEAD >= queue.n_buckets:
        return
    bucket = &queue.buckets[queue.current + 2 * LOOKAHEAD]
    if bucket.head >= 0:
        __builtin_prefetch(&queue.chunks[bucket.head])
    bucket = &queue.buckets[queue.current + LOOKAHEAD]
    if bucket.head >= 0:
        fetch(
            queue, cells, queue.chunks[bucket.head].pixels,
            chunk_fill(bucket, bucket.head),
        )


cdef bint open_bucket(Queue* queue, const Cell* cells) noexcept nogil:
    """Go on to the next bucket with pixels; False if there is none."""
    cdef Bucket* bucket
    cdef int32_t chunk, following, i, n
    if queue.uniform:
        release_chunk(queue, queue.chunk)
        queue.uniform = False
    while True:
        queue.current += 1
        if queue.current >= queue.n_buckets:
            return False
        look_ahead(queue, cells)
        bucket = &queue.buckets[queue.current]
        if bucket.head >= 0:
            break
    if not bucket.mixed:
        queue.uniform = True
        queue.level = bucket.value
        go_to_chunk(queue, cells, bucket.head)
        return True
    chunk = bucket.head
    while True:
        n = chunk_fill(bucket, chunk)
        fetch(queue, cells, queue.chunks[chunk].pixels, n)
        for i in range(n):
            push_heap(
                queue,
                cells[queue.chunks[chunk].pixels[i]].value,
                queue.chunks[chunk].pixels[i],
            )
        following = queue.chunks[chunk].following
        release_chunk(queue, chunk)
        if chunk == bucket.tail:
            return True
        chunk = following


cdef void make_bins(Queue* queue, const float[:, ::1] relief) noexcept nogil:
    """Share out the buckets: about as many pixels to each."""
    cdef Py_ssize_t i, n = relief.shape[0] * relief.shape[1]
    cdef const float* values = &relief[0, 0]
    cdef float lowest = values[0], highest = values[0]
    cdef int32_t count
    for i in range(n):
        lowest = min(lowest, values[i])
        highest = max(highest, values[i])
    queue.lowest = lowest
    queue.scale = 0.0
    if highest > lowest:
        # The highest value belongs to the last bin.
        queue.scale = (N_BINS - 0.5) / (<double> highest - lowest)
    memset(queue.first, 0, sizeof(queue.first))
    for i in range(n):
        queue.first[<int32_t> ((<double> values[i] - lowest) * queue.scale)] += 1
    queue.n_buckets = 0
    for i in range(N_BINS + 1):
        count = queue.first[i]
        queue.first[i] = queue.n_buckets
        queue.n_buckets += (count + PIXELS_A_BUCKET - 1) // PIXELS_A_BUCKET


cdef void clear(Queue* queue) noexcept nogil:
    """Empty a queue whose memory is set."""
    cdef Py_ssize_t i
    queue.n_chunks = queue.heap_size = queue.n_arrivals = 0
    queue.free_chunk = queue.current = -1
    queue.uniform = False
    queue.chunk = queue.place = 0
    queue.level = 0.0
    for i in range(queue.n_buckets):
        queue.buckets[i].head = -1


# ------------------------------------------------------------------ flooding
cdef void lay_out(
    const float[:, ::1] relief, const int32_t[:, ::1] markers, Cell* cells
) noexcept nogil:
    """Put the maps side by side, in a frame of walls."""
    cdef Py_ssize_t height = relief.shape[0], width = relief.shape[1], row, column
    cdef Cell* line
    for row in range(-1, height + 1):
        line = cells + (row + 1) * (width + 2)
        for column in range(-1, width + 1):
            if row < 0 or row == height or column < 0 or column == width:
                line[column + 1].label = WALL
            else:
                line[column + 1].value = relief[row, column]
                line[column + 1].label = markers[row, column]


cdef void flood(Cell* cells, int32_t n_cells, Queue* queue) noexcept nogil:
    """Grow the positive labels into the zeros."""
    cdef int32_t width = queue.width
    cdef int32_t[8] steps = [
        -width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1
    ]
    cdef int32_t pixel, neighbour, label
    cdef int k
    for pixel in range(n_cells):
        if cells[pixel].label > 0:
            push(queue, cells[pixel].value, pixel)
    while True:
        pixel = pop(queue, cells)
        if pixel < 0:
            return
        label = cells[pixel].label
        for k in range(8):
            neighbour = pixel + steps[k]
            if cells[neighbour].label == 0:
                cells[neighbour].label = label
                push(queue, cells[neighbour].value, neighbour)


cdef void read_labels(const Cell* cells, int32_t[:, ::1] labels) noexcept nogil:
    cdef Py_ssize_t height = labels.shape[0], width = labels.shape[1], row, column
    for row in range(height):
        for column in range(width):
            labels[row, column] = cells[(row + 1) * (width + 2) + column + 1].label


cdef unsigned char[::1] allocate(Py_ssize_t n, Py_ssize_t size):
    """Memory for n items; pages that are never written cost nothing.

    It comes from NumPy, which asks the system for large pages.
    """
    return np.empty(n * size + 1, np.uint8)


def watershed(relief, markers):
    """Flood a relief from markers until every pixel has a label.

    Pixels are taken by rising relief, equal ones in the order in which they were
    reached (markers first, in raster order), and give their label to all unlabelled
    ones of their 8 neighbours, the 4 nearest first. There are no watershed lines.
    Takes O(N) memory for N pixels, and O(N) time unless most values crowd in a small
    part of their range.

    Args:
        relief: (H, W) float32 array, the surface to flood; fewer than 2^31 pixels.
        markers: (H, W) int32 array, 0 where there is no marker, labels >= 1 elsewhere.

    Returns:
        (H, W) int32 array of labels. Where no marker exists at all, it is all zeros.

    Raises:
        ValueError: If the two differ in shape, or the relief has NaN or infinite values.

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
    relief = np.ascontiguousarray(relief, np.float32)
    if not np.isfinite(relief.sum(dtype=np.float64)):
        raise ValueError('relief must be finite')
    cdef const float[:, ::1] surface = relief
    cdef const int32_t[:, ::1] seeds = np.ascontiguousarray(markers, np.int32)
    labels = np.empty(np.shape(relief), np.int32)
    if labels.size == 0:
        return labels
    cdef int32_t[:, ::1] flooded = labels
    cdef Py_ssize_t width = labels.shape[1] + 2, n = labels.size
    cdef Py_ssize_t n_cells = (labels.shape[0] + 2) * width
    cdef Queue queue
    make_bins(&queue, surface)
    # Room for the worst case.
    cdef unsigned char[::1] buckets = allocate(queue.n_buckets, sizeof(Bucket))
    cdef unsigned char[::1] chunks = allocate(
        n // CHUNK_SIZE + queue.n_buckets + 1, sizeof(Chunk)
    )
    cdef unsigned char[::1] heap = allocate(n, sizeof(Waiting))
    cdef unsigned char[::1] memory = allocate(n_cells, sizeof(Cell))
    cdef Cell* cells = <Cell*> &memory[0]
    queue.buckets = <Bucket*> &buckets[0]
    queue.chunks = <Chunk*> &chunks[0]
    queue.heap = <Waiting*> &heap[0]
    queue.width = <int32_t> width
    with nogil:
        clear(&queue)
        lay_out(surface, seeds, cells)
        flood(cells, <int32_t> n_cells, &queue)
        read_labels(cells, flooded)
    return labels
