"""What is drawn on an image."""

from .activation_panel import (
    ExplainedWord,
    draw_activation,
    draw_box_choice,
    draw_explanation,
    draw_prompt,
)
from .affinity_panel import draw_affinity_panel, draw_affinity_target
from .detections import draw_detections
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
    'ExplainedWord',
    'InstanceVisualizer',
    'distinct_colors',
    'draw_activation',
    'draw_affinity',
    'draw_affinity_panel',
    'draw_affinity_target',
    'draw_box_choice',
    'draw_detections',
    'draw_explanation',
    'draw_instances',
    'draw_legend',
    'draw_masks',
    'draw_partition',
    'draw_prompt',
    'kind_colors',
    'make_panel',
    'stack_panels',
]
