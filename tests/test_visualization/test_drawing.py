import numpy as np

from mmdet_ovis.visualization import (
    distinct_colors,
    draw_affinity,
    draw_masks,
    draw_partition,
    make_panel,
    stack_panels,
)

IMAGE = np.full((20, 30, 3), 100, dtype=np.uint8)


def test_affinity_is_bright_inside_objects():
    affinity = np.zeros((2, 20, 30), dtype=np.float32)
    affinity[:, 5:15, 5:25] = 1
    affinity[1, 10, 10] = 0  # one channel with a boundary is enough
    drawn = draw_affinity(affinity)
    assert drawn.shape == IMAGE.shape
    assert drawn[6, 6].sum() > drawn[0, 0].sum()
    assert (drawn[10, 10] == drawn[0, 0]).all()


def test_partition_shows_mean_colours_and_boundaries():
    image = IMAGE.copy()
    image[:, 10:] = 200
    image[0, :10] = 0
    labels = np.zeros((20, 30), dtype=np.int32)
    labels[:, 10:] = 1
    drawn = draw_partition(image, labels)
    assert (drawn[5, 2] == 95).all()
    assert (drawn[5, 20] == 200).all()
    assert (drawn[5, 9] == 255).all()


def test_first_mask_is_on_top():
    masks = np.zeros((2, 20, 30), dtype=bool)
    masks[0, 5:10, 5:10] = True
    masks[1, 2:18, 2:18] = True
    drawn = draw_masks(IMAGE, masks, colors=np.array([[250, 0, 0], [0, 250, 0]]))
    red, green = drawn[7, 7], drawn[13, 13]
    assert red[0] > red[1]
    assert green[1] > green[0]
    assert (drawn[19, 29] == 100).all()
    assert (IMAGE == 100).all()


def test_no_masks_leave_the_image():
    assert (draw_masks(IMAGE, np.zeros((0, 20, 30), dtype=bool)) == IMAGE).all()


def test_colours_are_distinct():
    colors = distinct_colors(12)
    assert len({tuple(c) for c in colors}) == 12
    assert distinct_colors(0).shape == (0, 3)


def test_panels_keep_their_pictures():
    panel = make_panel([IMAGE, IMAGE], ['left', 'right'])
    assert panel.shape[1] == 2 * 30 + 4
    assert (panel[-20:, :30] == IMAGE).all()
    sheet = stack_panels([panel, panel[:, :40]])
    assert sheet.shape[1] == panel.shape[1]
