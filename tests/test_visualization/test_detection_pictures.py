"""Named instances and activations, as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.visualization.activation_panel import (
    draw_activation,
    draw_box_choice,
    draw_prompt,
)
from mmdet_ovis.visualization.detections import _write_labels, draw_detections
from mmdet_ovis.visualization.instances import DrawnInstance

GRAY = np.full((100, 160, 3), 128, np.uint8)


def detections(n=2):
    masks = np.zeros((n, 100, 160), bool)
    boxes = np.zeros((n, 4), np.float32)
    for i in range(n):
        boxes[i] = (10 + 70 * i, 40, 60 + 70 * i, 80)
        masks[i, 45:75, 15 + 70 * i : 55 + 70 * i] = True
    return boxes, np.arange(n), np.linspace(0.9, 0.5, n), masks


def test_small_images_are_enlarged():
    boxes, labels, scores, masks = detections()
    drawn = draw_detections(GRAY, boxes, labels, scores, masks, ['cat', 'dog'])
    assert drawn.shape == (400, 640, 3)
    large = np.full((700, 900, 3), 128, np.uint8)
    masks = np.zeros((2, 700, 900), bool)
    drawn = draw_detections(large, boxes, labels, scores, masks, ['cat', 'dog'])
    assert drawn.shape == large.shape


def test_instances_differ_in_colour():
    boxes, labels, scores, masks = detections()
    drawn = draw_detections(GRAY, boxes, labels, scores, masks, ['cat', 'dog'])
    left, right = drawn[240, 140], drawn[240, 420]  # inside either mask
    for color in (left, right):
        assert np.abs(color.astype(int) - 128).max() > 20
    assert np.abs(left.astype(int) - right).max() > 40


def test_colours_of_a_video_follow_the_label():
    boxes, _, scores, masks = detections()
    names = ['cat', 'dog', 'cow']
    first = draw_detections(
        GRAY, boxes, np.array([1, 1]), scores, masks, names, color_by='label'
    )
    assert np.array_equal(first[240, 140], first[240, 420])
    other = draw_detections(
        GRAY, boxes, np.array([2, 1]), scores, masks, names, color_by='label'
    )
    assert np.array_equal(other[240, 420], first[240, 420])
    assert not np.array_equal(other[240, 140], first[240, 140])


def test_boxes_are_outlined_where_there_is_no_mask():
    boxes, labels, scores, _ = detections(1)
    drawn = draw_detections(GRAY, boxes, labels, scores, None, ['cat'])
    assert (drawn[240, 140] == 128).all()  # not filled
    assert (drawn[240, 40] != 128).any()  # the left side


def test_nothing_found():
    boxes, labels, scores, masks = detections(0)
    drawn = draw_detections(GRAY, boxes, labels, scores, masks, ['cat'])
    assert (drawn == 128).all()


def test_as_many_as_asked_for():
    boxes, labels, scores, masks = detections()
    drawn = draw_detections(GRAY, boxes, labels, scores, masks, ['a', 'b'], topk=1)
    assert (drawn[240, 420] == 128).all()


@pytest.mark.parametrize('corner', [(0, 0), (150, 95)])
def test_labels_do_not_hide_each_other(corner):
    """Four instances at one place: four patches of colour, all inside the image."""
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    instances = [
        DrawnInstance('x', None, (*corner, corner[0] + 9, corner[1] + 4), 'dog', color)
        for color in colors
    ]
    drawn = _write_labels(GRAY.copy(), instances)
    counts = [int((drawn == color).all(-1).sum()) for color in colors]
    assert min(counts) > 0.5 * max(counts) > 0


def test_activation():
    activation = np.zeros((4, 4), np.float32)
    activation[1, 1] = 1
    drawn = draw_activation(GRAY, activation)
    assert drawn.shape == GRAY.shape
    assert (drawn[99, 159] == 128).all()  # cold places stay as they are
    red, _, blue = drawn[37, 60].astype(int)
    assert red > blue + 50


def test_prompt_and_box():
    prompt = np.zeros((50, 80), bool)
    prompt[10:20, 10:20] = True
    drawn = draw_prompt(GRAY, prompt)
    assert (drawn[30, 30] == 128).all()
    assert (drawn[80, 80] < 60).all()
    drawn = draw_box_choice(GRAY, np.array([[100, 10, 140, 60]]), (10, 10, 60, 60))
    assert (drawn[30, 100] > 128).all()
    assert drawn[30, 10, 0] > 200
    assert (draw_box_choice(GRAY, np.zeros((0, 4)), None) == 128).all()
