"""Exact statistics of all nodes of a merge tree.

Leaves are numbered in depth-first order, so each node is an interval of leaf ranks and
the lowest common ancestor of two leaves is a range maximum. A pixel is then counted at
the leaf that holds it and discounted at the ancestor where it stops to count; one
bottom-up sum gives all nodes their values, with no mask in sight.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t


def leaf_intervals(children, int n_leaves):
    """Number the leaves in depth-first order.

    Roots follow one another by node id, the lower child comes before the higher one.
    Takes O(L) time.

    Args:
        children: (M, 2) int32 array; node L + m is made of the nodes children[m].
        n_leaves: Number of leaves L.

    Returns:
        Tuple of the first leaf rank of each node ((L + M,) int32), the rank after its
        last one ((L + M,) int32), and for each two consecutive ranks their lowest
        common ancestor ((L - 1,) int32; L + M, a virtual root, in different trees).

    Example:
        >>> import numpy as np
        >>> first, end, ancestors = leaf_intervals(np.array([[0, 2]], np.int32), 3)
        >>> first.tolist(), end.tolist(), ancestors.tolist()
        ([1, 0, 2, 1], [2, 1, 3, 3], [4, 3])
    """
    cdef const int32_t[:, ::1] kids = np.ascontiguousarray(children, np.int32)
    cdef int32_t n_merges = kids.shape[0]
    cdef int32_t n_nodes = n_leaves + n_merges, node, start = 0, m
    first = np.full(n_nodes, -1, np.int32)
    size = np.ones(n_nodes, np.int32)
    is_root = np.ones(n_nodes, np.uint8)
    ancestors = np.full(max(n_leaves - 1, 0), n_nodes, np.int32)
    cdef int32_t[::1] first_view = first, size_view = size, ancestor_view = ancestors
    cdef unsigned char[::1] root_view = is_root
    with nogil:
        for m in range(n_merges):
            size_view[n_leaves + m] = size_view[kids[m, 0]] + size_view[kids[m, 1]]
            root_view[kids[m, 0]] = 0
            root_view[kids[m, 1]] = 0
        for node in range(n_nodes):
            if root_view[node]:
                first_view[node] = start
                start += size_view[node]
        for m in range(n_merges - 1, -1, -1):
            node = n_leaves + m
            first_view[kids[m, 0]] = first_view[node]
            first_view[kids[m, 1]] = first_view[node] + size_view[kids[m, 0]]
            ancestor_view[first_view[kids[m, 1]] - 1] = node
    return first, first + size, ancestors


cdef struct Tree:
    const int32_t* table   # range maxima: level k holds the maxima of 2^k entries
    Py_ssize_t n_gaps
    const int32_t* node    # leaf at a rank
    const int32_t* rank    # rank of a leaf


cdef inline int32_t common_ancestor(
    const Tree* tree, int32_t low, int32_t high
) noexcept nogil:
    """Lowest common ancestor of the leaves at the ranks low < high."""
    cdef int level = 0
    while (2 << level) <= high - low:
        level += 1
    cdef const int32_t* row = tree.table + level * tree.n_gaps
    return max(row[low], row[high - (1 << level)])


cdef inline int add_rank(int32_t* ranks, int n, int32_t rank) noexcept nogil:
    """Insert a rank into a short sorted list without duplicates."""
    cdef int k = n
    while k > 0 and ranks[k - 1] > rank:
        k -= 1
    if k > 0 and ranks[k - 1] == rank:
        return n
    cdef int j
    for j in range(n, k, -1):
        ranks[j] = ranks[j - 1]
    ranks[k] = rank
    return n + 1


cdef inline int ranks_around(
    const int32_t[:, ::1] labels, const Tree* tree, Py_ssize_t i, Py_ssize_t j,
    int32_t* ranks,
) noexcept nogil:
    """List the ranks of the leaves at a pixel and its 4 neighbours in the image."""
    cdef int n = 1
    ranks[0] = tree.rank[labels[i, j] - 1]
    if i > 0:
        n = add_rank(ranks, n, tree.rank[labels[i - 1, j] - 1])
    if i + 1 < labels.shape[0]:
        n = add_rank(ranks, n, tree.rank[labels[i + 1, j] - 1])
    if j > 0:
        n = add_rank(ranks, n, tree.rank[labels[i, j - 1] - 1])
    if j + 1 < labels.shape[1]:
        n = add_rank(ranks, n, tree.rank[labels[i, j + 1] - 1])
    return n


cdef inline bint is_core(
    const int32_t[:, ::1] labels, Py_ssize_t i, Py_ssize_t j
) noexcept nogil:
    """Whether a pixel off the frame and its 4 neighbours have a single label."""
    cdef Py_ssize_t width = labels.shape[1]
    if i == 0 or j == 0 or i == labels.shape[0] - 1 or j == width - 1:
        return False
    cdef const int32_t* above = &labels[i - 1, j]
    cdef const int32_t* left = &labels[i, j - 1]
    cdef int32_t own = left[1]
    return not (
        (above[0] ^ own) | (above[2 * width] ^ own) | (left[0] ^ own) | (left[2] ^ own)
    )


cdef inline void count(
    int64_t[:, ::1] counts, double[:, ::1] sums, int32_t node, int column, int sign,
    double weight,
) noexcept nogil:
    counts[node, column] += sign
    sums[node, column] += sign * weight


cdef void add_pixel(
    const Tree* tree, int32_t leaf, int32_t* ranks, int n, double weight,
    int64_t[:, ::1] counts, double[:, ::1] sums,
) noexcept nogil:
    """Count one pixel; columns: 0 region, 1 inner ring, 2 both rings."""
    count(counts, sums, leaf, 0, 1, weight)
    if n == 1:
        return
    # On the inner ring of all nodes that hold the pixel but not all its neighbours.
    cdef int32_t top = common_ancestor(tree, ranks[0], ranks[n - 1])
    count(counts, sums, leaf, 1, 1, weight)
    count(counts, sums, top, 1, -1, weight)
    # On a ring of all nodes that hold some, but not all, of the leaves around it. The
    # ones in a node are consecutive, so leaves minus common ancestors makes one.
    cdef int k
    for k in range(n):
        count(counts, sums, tree.node[ranks[k]], 2, 1, weight)
    for k in range(n - 1):
        count(
            counts, sums, common_ancestor(tree, ranks[k], ranks[k + 1]), 2, -1, weight
        )
    count(counts, sums, top, 2, -1, weight)


cdef inline void add_extent(
    int32_t[:, ::1] extents, int64_t[:, ::1] sides, int32_t leaf,
    Py_ssize_t i, Py_ssize_t j, Py_ssize_t height, Py_ssize_t width,
) noexcept nogil:
    extents[leaf, 0] = min(extents[leaf, 0], <int32_t> i)
    extents[leaf, 1] = min(extents[leaf, 1], <int32_t> j)
    extents[leaf, 2] = max(extents[leaf, 2], <int32_t> i)
    extents[leaf, 3] = max(extents[leaf, 3], <int32_t> j)
    sides[leaf, 0] += i == 0
    sides[leaf, 1] += i == height - 1
    sides[leaf, 2] += j == 0
    sides[leaf, 3] += j == width - 1


def node_statistics(labels, weights, parents, leaf_ranks, range_maxima):
    """Accumulate counts, sums and extents of all nodes of a forest.

    With S the pixels of a node, its inner ring are the pixels of S with a 4-neighbour
    outside S, and its outer ring the pixels outside S with a 4-neighbour in S. The
    frame of the image belongs to no ring. Takes O(N + L) time.

    Args:
        labels: (H, W) int32 array, labels 1..L; label l is the leaf l - 1.
        weights: (H, W) float64 array to sum.
        parents: (n,) int32 array; a parent has a higher id than its children, -1 is
            the parent of a root.
        leaf_ranks: (L,) int32 array, depth-first rank of each leaf.
        range_maxima: (K, L - 1) int32 array; row k holds, from each rank on, the
            maximum of 2^k consecutive entries of the common ancestors.

    Returns:
        Tuple of four arrays with one row a node: counts ((n, 3) int64: pixels of the
        node, of its inner ring, of both rings), sums of the weights over the same
        ((n, 3) float64), contact with the frame ((n, 4) int64: pixels in the top row,
        bottom row, left column, right column) and extents ((n, 4) int32: first row,
        first column, last row, last column).

    Raises:
        ValueError: If labels and weights differ in shape.
    """
    if np.shape(labels) != np.shape(weights):
        raise ValueError(
            f'weights {np.shape(weights)} differ in shape from labels {np.shape(labels)}'
        )
    cdef const int32_t[:, ::1] label_map = np.ascontiguousarray(labels, np.int32)
    cdef const double[:, ::1] weight_map = np.ascontiguousarray(weights, np.float64)
    cdef const int32_t[::1] parent_of = np.ascontiguousarray(parents, np.int32)
    cdef const int32_t[:, ::1] table = np.ascontiguousarray(range_maxima, np.int32)
    cdef Py_ssize_t height = label_map.shape[0], width = label_map.shape[1], i, j
    cdef int32_t n_nodes = parent_of.shape[0], node, parent
    cdef int32_t n_leaves = table.shape[1] + 1
    cdef const int32_t[::1] rank_of = np.ascontiguousarray(leaf_ranks, np.int32)
    cdef const int32_t[::1] leaf_at = np.argsort(leaf_ranks).astype(np.int32)
    cdef Tree tree
    tree.table = &table[0, 0] if n_leaves > 1 else NULL
    tree.n_gaps = n_leaves - 1
    tree.rank = &rank_of[0]
    tree.node = &leaf_at[0]

    # The last row belongs to the virtual root, which stands for "outside all trees".
    counts = np.zeros((n_nodes + 1, 3), np.int64)
    sums = np.zeros((n_nodes + 1, 3), np.float64)
    sides = np.zeros((n_nodes + 1, 4), np.int64)
    extents = np.tile(np.array([height, width, -1, -1], np.int32), (n_nodes + 1, 1))
    cdef int64_t[:, ::1] counts_view = counts, sides_view = sides
    cdef double[:, ::1] sums_view = sums
    cdef int32_t[:, ::1] extents_view = extents
    cdef int32_t[5] ranks
    cdef int32_t leaf
    cdef int n, k
    with nogil:
        for i in range(height):
            for j in range(width):
                leaf = label_map[i, j] - 1
                if is_core(label_map, i, j):
                    count(counts_view, sums_view, leaf, 0, 1, weight_map[i, j])
                else:
                    n = ranks_around(label_map, &tree, i, j, ranks)
                    add_pixel(
                        &tree, leaf, ranks, n, weight_map[i, j], counts_view, sums_view
                    )
                add_extent(extents_view, sides_view, leaf, i, j, height, width)
        for node in range(n_nodes):
            parent = parent_of[node]
            if parent < 0:
                continue
            for k in range(3):
                counts_view[parent, k] += counts_view[node, k]
                sums_view[parent, k] += sums_view[node, k]
            for k in range(4):
                sides_view[parent, k] += sides_view[node, k]
            for k in range(2):
                extents_view[parent, k] = min(
                    extents_view[parent, k], extents_view[node, k]
                )
                extents_view[parent, k + 2] = max(
                    extents_view[parent, k + 2], extents_view[node, k + 2]
                )
    return counts[:n_nodes], sums[:n_nodes], sides[:n_nodes], extents[:n_nodes]
