"""What is drawn on an image."""

from .drawing import (
    distinct_colors,
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
    stack_panels,
)

__all__ = [
    'distinct_colors',
    'draw_affinity',
    'draw_masks',
    'draw_partition',
    'make_panel',
    'stack_panels',
]
