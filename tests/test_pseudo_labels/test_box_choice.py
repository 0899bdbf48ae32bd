"""Which proposal an activation map means."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_ovis.pseudo_labels.box_choice import Activation, BoxChooser
from mmdet_ovis.structures.proposals import Proposals

BOXES = np.array(
    [
        [30, 20, 50, 40],
        [25, 15, 55, 45],
        [30, 20, 40, 40],
        [0, 0, 100, 100],
        [60, 60, 80, 80],
    ],
    float,
)
CHOOSERS = {'default': BoxChooser(), 'compat': BoxChooser.compat()}


@pytest.fixture
def square():
    """Rows 20 to 39 and columns 30 to 49 of 100 x 100 are activated."""
    mask = np.zeros((100, 100), bool)
    mask[20:40, 30:50] = True
    return Activation(mask.astype(np.float32), mask)


@pytest.fixture(params=CHOOSERS)
def chooser(request):
    return CHOOSERS[request.param]


def test_case_8_proposal_scores(chooser, square):
    judged = chooser.judge(square, BOXES)
    assert judged.scores == pytest.approx([20, 13.3333, 14.1421, 4, 0], abs=1e-4)
    assert judged.box_conf == pytest.approx([1, 0.6667, 0.7071, 0.2, 0], abs=1e-4)
    assert judged.coverage.tolist() == [1, 1, 0.5, 1, 0]
    assert judged.density == pytest.approx([1, 4 / 9, 1, 0.04, 0])
    choice = judged.best()
    assert (choice.index, choice.box) == (0, (30, 20, 50, 40))
    assert (choice.score, choice.box_conf) == (20, 1)


def test_case_9_a_border_box_is_skipped_or_clipped():
    box_map = np.zeros((20, 20), np.float32)
    box_map[:10, :10] = 1
    proposals = Proposals([[-0.3, 0, 20, 20]], [1], (20, 20))
    assert BoxChooser.compat()(box_map, proposals) is None
    choice = BoxChooser()(box_map, proposals)
    assert choice.box == (0, 0, 20, 20)
    assert choice.coverage == 1
    outside = Proposals([[30, 30, 40, 40]], [1], (20, 20))
    assert BoxChooser()(box_map, outside) is None


def test_case_9_a_fraction_is_enough_for_compat_to_skip():
    boxes = np.array([[0, 0, 10, 20.01], [0, 0, 10, 20], [0, -0.01, 10, 20]])
    activation = Activation(np.ones((20, 10), 'f4'), np.ones((20, 10), bool))
    valid = BoxChooser.compat().judge(activation, boxes).valid
    assert valid.tolist() == [False, True, False]


def test_compat_cuts_fractions_off_but_not_in_the_area(square):
    judged = BoxChooser.compat().judge(square, np.array([[30.9, 20.0, 50.5, 40.0]]))
    assert judged.boxes.tolist() == [[30, 20, 50, 40]]
    assert judged.scores[0] == pytest.approx(400 / np.sqrt(19.6 * 20))
    rounded = BoxChooser().judge(square, np.array([[30.9, 20.0, 50.4, 40.0]]))
    assert rounded.boxes.tolist() == [[31, 20, 50, 40]]
    assert rounded.scores[0] == pytest.approx(380 / np.sqrt(380))


def test_boxes_without_area_are_never_chosen(chooser, square):
    boxes = np.array([[30, 20, 30, 40], [35.2, 20, 35.4, 40], [50, 40, 30, 20]])
    judged = chooser.judge(square, boxes)
    assert not judged.valid.any()
    assert judged.best() is None
    assert judged.scores.tolist() == [0, 0, 0]


def test_the_first_of_equals_wins(chooser, square):
    boxes = BOXES[[4, 2, 0, 0]]
    assert chooser.judge(square, boxes).best().index == 2


def test_sums_are_those_of_the_pixels(square):
    rng = np.random.default_rng(0)
    soft = rng.random((40, 60)).astype(np.float32)
    activation = Activation(soft, soft > 0.6)
    starts = rng.integers(0, [50, 30], (200, 2))
    boxes = np.hstack([starts, starts + rng.integers(1, 10, (200, 2))]).astype(float)
    plain = np.array(
        [
            [part[y1:y2, x1:x2].sum() / np.sqrt((x2 - x1) * (y2 - y1))
             for x1, y1, x2, y2 in boxes.astype(int)]
            for part in (activation.mask, soft)
        ]
    )  # fmt: skip
    for metric, expected in zip(('ratio_sqrt', 'soft'), plain, strict=True):
        scores = BoxChooser(metric).judge(activation, boxes).scores
        assert scores == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'metric': 'iou'}, [1, 4 / 9, 0.5, 0.04, 0]),
        ({'metric': 'f_beta'}, [1, 8 / 13, 2 / 3, 1 / 13, 0]),
        ({'metric': 'f_beta', 'beta': 2.0}, [1, 0.8, 5 / 9, 1 / 5.8, 0]),
    ],
)
def test_other_metrics(square, options, expected):
    judged = BoxChooser(**options).judge(square, BOXES)
    assert judged.scores == pytest.approx(expected)


def test_the_identity_of_score_and_confidence(square):
    judged = BoxChooser().judge(square, BOXES)
    assert judged.scores == pytest.approx(20 * judged.box_conf)
    assert judged.box_conf == pytest.approx(np.sqrt(judged.coverage * judged.density))


@pytest.mark.parametrize('value', [0.0, 3.7])
def test_a_flat_map_activates_nothing(chooser, value):
    flat = np.full((4, 4), value, np.float32)
    activation = chooser.activate(flat, (50, 40))
    assert activation.mask.shape == (50, 40)
    assert not activation.mask.any()
    choice = chooser(flat, Proposals([[0, 0, 9, 9], [1, 1, 5, 5]], [1, 1], (50, 40)))
    assert (choice.index, choice.score, choice.box_conf) == (0, 0, 0)


def test_maps_grow_smoothly_or_in_steps():
    corner = np.zeros((4, 4), np.float32)
    corner[0, 0] = 5
    steps = BoxChooser.compat().activate(corner, (40, 80))
    assert np.array_equal(np.unique(steps.soft), [0, 1])
    assert steps.soft[:10, :20].all()
    smooth = BoxChooser().activate(corner, (40, 80))
    assert len(np.unique(smooth.soft)) > 20
    assert smooth.mask[0, 0]
    assert not smooth.mask[20, 40]


@pytest.mark.parametrize(
    'options',
    [{'metric': 'x'}, {'upsample': 'x'}, {'borders': 'x'}, {'beta': 0}, {'blur': 4}],
)
def test_unknown_settings_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        BoxChooser(**options)
