"""Hash of a pair of regions, for the tables of `region_graph` and `merging`."""

from libc.stdint cimport int32_t, uint64_t


cdef inline int32_t hash_pair(int32_t low, int32_t high) noexcept nogil:
    """Scatter a pair over the integers from 0 to 2^31 - 1 (Fibonacci hashing)."""
    return <int32_t> (
        (<uint64_t> low << 32 | <uint64_t> high) * <uint64_t> 0x9E3779B97F4A7C15 >> 33
    )
