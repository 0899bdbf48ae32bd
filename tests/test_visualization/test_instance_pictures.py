"""Instances by kind, their legend, and affinity panels."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.visualization import (
    DrawnInstance,
    draw_affinity,
    draw_affinity_panel,
    draw_affinity_target,
    draw_instances,
    draw_legend,
    kind_colors,
)
from mmdet_ovis.visualization.instances import pseudo_kind, resize_picture

IMAGE = np.full((60, 80, 3), 100, dtype=np.uint8)


def mask(x1, y1, x2, y2):
    drawn = np.zeros(IMAGE.shape[:2], dtype=bool)
    drawn[y1:y2, x1:x2] = True
    return drawn


def test_kinds_keep_their_colours():
    alone = kind_colors(['ground truth'])
    among = kind_colors(['pseudo (sam)', 'ground truth', 'unseen', 'pseudo (pa)'])
    assert among['ground truth'] == alone['ground truth']
    assert len(set(among.values())) == 4
    sources = [pseudo_kind(source) for source in ('sam', 'gsam', 'file')]
    assert kind_colors(sources) == kind_colors(sources[::-1])
    assert len(set(kind_colors(sources).values())) == 3


def test_the_smaller_mask_is_on_top():
    large = DrawnInstance('ground truth', mask(10, 10, 50, 50))
    small = DrawnInstance('unseen', mask(20, 20, 30, 30))
    colors = kind_colors(['ground truth', 'unseen'])
    expected = (0.65 * 100 + 0.35 * np.array(colors['unseen'])).astype(np.uint8)
    for instances in ([large, small], [small, large]):
        drawn = draw_instances(IMAGE, instances)
        assert (drawn[25, 25] == expected).all()
        assert (drawn[55, 70] == 100).all()
    assert (IMAGE == 100).all()


def test_boxes_stand_in_for_masks_and_are_else_optional():
    box = (10.0, 10.0, 40.0, 40.0)
    color = kind_colors(['unseen'])['unseen']
    without = draw_instances(IMAGE, [DrawnInstance('unseen', None, box)])
    assert (without[10, 10:40] == color).all()
    assert (without[39, 10:40] == color).all()
    assert (without[25, 25] == 100).all()
    masked = DrawnInstance('unseen', mask(20, 20, 30, 30), box)
    assert (draw_instances(IMAGE, [masked])[10, 10:40] == 100).all()
    assert (draw_instances(IMAGE, [masked], boxes=True)[10, 10:40] == color).all()


@pytest.mark.parametrize('corner', [(0, 0), (75, 0), (0, 55), (75, 55)])
def test_texts_stay_inside(corner):
    x, y = corner
    instance = DrawnInstance('unseen', mask(x, y, x + 3, y + 3), text='1.85')
    drawn = draw_instances(IMAGE, [instance])
    assert drawn.shape == IMAGE.shape
    patch = (drawn == kind_colors(['unseen'])['unseen']).all(axis=2)
    assert patch.sum() > 100


def test_a_colour_of_its_own():
    instance = DrawnInstance('unseen', None, (5, 5, 50, 50), color=(1, 2, 3))
    assert (draw_instances(IMAGE, [instance])[5, 5:50] == (1, 2, 3)).all()


def test_no_instances_leave_the_image():
    assert (draw_instances(IMAGE, []) == IMAGE).all()
    assert draw_legend([], 200).shape[1] == 200


def test_the_legend_shows_each_kind_and_wraps():
    instances = [
        DrawnInstance(kind) for kind in ('pseudo (pa)', 'ground truth', 'pseudo (pa)')
    ]
    wide, narrow = draw_legend(instances, 400), draw_legend(instances, 130)
    assert wide.shape[1] == 400
    assert narrow.shape[1] == 130
    assert narrow.shape[0] > wide.shape[0]
    colors = kind_colors(['pseudo (pa)', 'ground truth'])
    first = {
        kind: np.nonzero((wide == color).all(axis=2).any(axis=0))[0].min()
        for kind, color in colors.items()
    }
    assert first['ground truth'] < first['pseudo (pa)']


def test_instances_are_resized_with_their_image():
    instance = DrawnInstance('unseen', mask(10, 20, 30, 40), (10, 20, 30, 40), 'x')
    image, (resized, boxed) = resize_picture(
        IMAGE, [instance, DrawnInstance('unseen', None, (2, 4, 6, 8))], 2.0
    )
    assert image.shape == (120, 160, 3)
    assert resized.mask.sum() == 4 * instance.mask.sum()
    assert resized.mask[40:80, 20:60].all()
    assert resized.box == (20, 40, 60, 80)
    assert boxed.mask is None
    assert boxed.box == (4, 8, 12, 16)


def test_targets_are_gray_where_nothing_is_supervised():
    target = np.ones((2, 4, 6), dtype=np.float32)
    target[1, 1, 1] = target[1, 2, 2] = 0
    valid = np.ones((2, 4, 6), dtype=bool)
    valid[1, 2, 2] = False  # the other channel is supervised there
    valid[:, 3, 3] = False
    drawn = draw_affinity_target(target, valid)
    low, high = draw_affinity(np.array([[0.0, 1.0]]))[0]
    assert (drawn[1, 1] == low).all()
    assert (drawn[2, 2] == high).all()
    assert len(set(drawn[3, 3])) == 1


def test_panels_show_what_there_is():
    affinity = np.zeros((1, 60, 80), dtype=np.float32)
    panel = draw_affinity_panel(IMAGE, affinity)
    assert panel.shape[1] == 2 * 80 + 4
    valid = np.ones(affinity.shape, dtype=bool)
    masks = np.ones((2, 30, 40), dtype=bool)  # at another size
    panel = draw_affinity_panel(IMAGE, affinity, affinity, valid, masks)
    assert panel.shape[1] == 4 * 80 + 3 * 4
    assert (panel[-60:, :80] == IMAGE).all()
    assert (panel[-30, -40] != 100).any()
    none = draw_affinity_panel(IMAGE, affinity, masks=np.zeros((0, 60, 80), bool))
    assert (none[-60:, -80:] == IMAGE).all()
