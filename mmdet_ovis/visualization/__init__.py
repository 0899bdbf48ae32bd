"""What is drawn on an image."""

from .affinity_panel import draw_affinity_panel, draw_affinity_target
from .drawing import (
    distinct_colors,
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
    stack_panels,
)
from .instance_visualizer import InstanceVisualizer
from .instances import DrawnInstance, draw_instances, draw_legend, kind_colors

__all__ = [
    'DrawnInstance',
    'InstanceVisualizer',
    'distinct_colors',
    'draw_affinity',
    'draw_affinity_panel',
    'draw_affinity_target',
    'draw_instances',
    'draw_legend',
    'draw_masks',
    'draw_partition',
    'kind_colors',
    'make_panel',
    'stack_panels',
]
