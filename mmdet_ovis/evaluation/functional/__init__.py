"""The mathematics of the metrics, on arrays."""
