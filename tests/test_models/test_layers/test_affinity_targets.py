"""Affinity targets against values worked out by hand and a plain-Python twin."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from mmdet_ovis.models.layers import (
    affinity_targets,
    affinity_weights,
    instance_palette,
)
from pa_lib.affinity import NEIGHBOR_OFFSETS


def square_palette() -> torch.Tensor:
    """4x4 with one instance on rows 1-2 and columns 1-2."""
    palette = torch.zeros(4, 4, dtype=torch.int32)
    palette[1:3, 1:3] = 1
    return palette


def eighths(palette, **kwargs):
    target, _ = affinity_targets(palette, 'mean', **kwargs)
    return (target[0] * 8).tolist()


# ------------------------------------------------------------------ acceptance cases


def test_case_a1_mean_of_a_square():
    target, valid = affinity_targets(square_palette(), 'mean')
    assert target.dtype == torch.float32
    assert target.shape == valid.shape == (1, 4, 4)
    assert (target[0] * 8).tolist() == [
        [2, 3, 3, 2],
        [3, 3, 3, 3],
        [3, 3, 3, 3],
        [2, 3, 3, 2],
    ]
    assert valid.all()


def test_case_a2_eight_channels_of_a_square():
    target, valid = affinity_targets(square_palette())
    assert target.shape == valid.shape == (8, 4, 4)
    assert valid.sum() == 52
    assert (target * valid).sum() == 12
    assert target[0, 1].tolist() == [1, 0, 0, 1]
    assert valid[0, 1].tolist() == [False, True, True, False]
    assert target[3].tolist() == [
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
    ]
    assert target[7].tolist() == [
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
    ]
    assert not affinity_targets(square_palette(), 'min')[0].any()
    assert affinity_targets(square_palette(), 'max')[0].all()


def test_case_a3_border_modes():
    palette = torch.ones(3, 3, dtype=torch.int32)
    assert eighths(palette) == [[3, 5, 3], [5, 8, 5], [3, 5, 3]]
    for reduction in ('mean', 'min', 'max'):
        target, valid = affinity_targets(palette, reduction, border='valid')
        assert target.eq(1).all()
        assert valid.all()
    assert affinity_targets(palette)[1].sum() == 40


def test_case_a4_single_pixel():
    palette = torch.zeros(5, 5, dtype=torch.int32)
    palette[2, 2] = 1
    rows = eighths(palette)
    assert rows[2] == [5, 7, 0, 7, 5]
    assert rows[0] == [3, 5, 5, 5, 3]
    valid = affinity_targets(palette, 'mean')[1][0]
    assert valid[1:4, 1:4].all()
    assert valid.sum() == 9
    assert affinity_targets(palette)[1].sum() == 16


def test_case_a5_abutting_instances():
    palette = tensor([[1, 1, 2, 2]] * 4, dtype=torch.int32)
    assert eighths(palette) == [[3] * 4, [5] * 4, [5] * 4, [3] * 4]


def test_case_a8_many_and_overlapping_instances():
    masks = torch.eye(300, dtype=torch.bool).view(300, 15, 20)
    ids = instance_palette(masks).unique()
    assert ids.tolist() == list(range(1, 301))

    masks = torch.zeros(2, 6, 6, dtype=torch.uint8)
    masks[0, :4, :4] = 1  # the smaller one, listed first
    masks[1, 2:] = 1
    palette = instance_palette(masks)
    assert palette.dtype == torch.int32
    assert palette.unique().tolist() == [0, 1, 2]
    assert palette[:4, :4].eq(1).all()
    swapped = instance_palette(masks.flip(0))
    assert swapped[:4, :4].eq(2).all()


# ------------------------------------------------------------------ palette


def test_overlap_ignore_marks_shared_pixels():
    masks = torch.zeros(3, 1, 7, dtype=torch.bool)
    masks[0, 0, :4] = True
    masks[1, 0, 2:5] = True
    masks[2, 0, 3:6] = True
    palette = instance_palette(masks, overlap='ignore')
    assert palette.tolist() == [[1, 1, -1, -1, -1, 3, 0]]


def test_equal_areas_put_the_later_on_top():
    masks = tensor([[[1, 1, 0]], [[0, 1, 1]]], dtype=torch.bool)
    assert instance_palette(masks).tolist() == [[1, 2, 2]]


def test_no_instance_gives_background():
    palette = instance_palette(torch.zeros(0, 3, 5, dtype=torch.bool))
    assert palette.tolist() == [[0] * 5] * 3
    target, valid = affinity_targets(palette, 'mean', border='valid')
    assert target.eq(1).all()
    assert not valid.any()


# ------------------------------------------------------------------ targets


def brute_force(palette, reduction, border, bidirection):
    """Compute what ``affinity_targets`` computes, one pixel at a time."""
    height, width = palette.shape
    offsets = NEIGHBOR_OFFSETS if bidirection else NEIGHBOR_OFFSETS[:4]
    target = torch.zeros(len(offsets), height, width)
    valid = torch.zeros(len(offsets), height, width, dtype=torch.bool)
    reduced = torch.zeros(1, height, width)
    for i in range(height):
        for j in range(width):
            values = []
            for k, (di, dj) in enumerate(offsets):
                a, inside = int(palette[i, j]), (0 <= i + di < height)
                inside = inside and 0 <= j + dj < width
                b = int(palette[i + di, j + dj]) if inside else None
                if a == -1 or b == -1:
                    continue
                target[k, i, j] = a == b
                valid[k, i, j] = inside and (a > 0 or b > 0)
                if inside or border == 'legacy':
                    values.append(float(a == b))
            if values and reduction:
                mean = sum(values) / len(values)
                choice = {'mean': mean, 'min': min(values), 'max': max(values)}
                reduced[0, i, j] = choice[reduction]
    return (reduced, valid.any(0, keepdim=True)) if reduction else (target, valid)


@pytest.mark.parametrize('reduction', [None, 'mean', 'min', 'max'])
@pytest.mark.parametrize('border', ['legacy', 'valid'])
@pytest.mark.parametrize('bidirection', [True, False])
def test_targets_equal_brute_force(reduction, border, bidirection):
    generator = torch.Generator().manual_seed(0)
    for shape in [(6, 9), (1, 5), (5, 1), (1, 1)]:
        palette = torch.randint(-1, 3, shape, generator=generator, dtype=torch.int32)
        target, valid = affinity_targets(palette, reduction, border, bidirection)
        expected = brute_force(palette, reduction, border, bidirection)
        torch.testing.assert_close(target, expected[0])
        assert torch.equal(valid, expected[1])


def test_opposite_channels_see_the_same_pairs():
    palette = torch.randint(0, 3, (7, 8), dtype=torch.int32)
    target, valid = affinity_targets(palette)
    for k in range(4):
        assert target[k].sum() == target[k + 4].sum()
        assert valid[k].sum() == valid[k + 4].sum()


def test_targets_take_no_part_in_autograd_or_autocast():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        target, _ = affinity_targets(square_palette(), 'mean')
        weights = affinity_weights(
            square_palette(), torch.ones(1, 4, 4, dtype=torch.bool), 'inverse'
        )
    assert target.dtype == weights.dtype == torch.float32
    assert not target.requires_grad


# ------------------------------------------------------------------ weights


def test_weights_of_pairs_are_those_of_the_smaller_instance():
    palette = tensor([[1, 1, 1, 1, 2]], dtype=torch.int32)
    _, valid = affinity_targets(palette)
    inverse = affinity_weights(palette, valid, 'inverse')
    assert inverse[1].tolist() == [[0, 0.25, 0.25, 0.25, 1]]  # left neighbours
    assert inverse[5].tolist() == [[0.25, 0.25, 0.25, 1, 0]]  # right neighbours
    root = affinity_weights(palette, valid, 'inverse_sqrt')
    assert root[1].tolist() == [[0, 0.5, 0.5, 0.5, 1]]
    assert torch.equal(affinity_weights(palette, valid, 'uniform'), valid.float())


def test_inverse_weights_of_full_instances_balance_their_sizes():
    palette = torch.zeros(20, 30, dtype=torch.int32)
    palette[2:18, 2:18] = 1
    palette[4:7, 22:25] = 2
    _, valid = affinity_targets(palette, 'mean')
    weights = affinity_weights(palette, valid, 'inverse')[0]
    assert weights[palette == 1].sum() == pytest.approx(1)
    assert weights[palette == 2].sum() == pytest.approx(1)
    assert weights[0].sum() == 0
    assert weights[1, 2] == pytest.approx(1 / 256)  # background beside the instance


def test_ignored_pixels_weigh_nothing():
    palette = tensor([[1, -1, 2]], dtype=torch.int32)
    for weight_type in ('uniform', 'inverse'):
        _, valid = affinity_targets(palette, 'mean')
        assert not affinity_weights(palette, valid, weight_type).any()


@pytest.mark.parametrize('weight_type', ['inverse', 'inverse_sqrt'])
def test_four_channel_weights_are_half_of_eight(weight_type):
    palette = torch.randint(-1, 3, (6, 6), dtype=torch.int32)
    eight = affinity_weights(palette, affinity_targets(palette)[1], weight_type)
    _, valid = affinity_targets(palette, bidirection=False)
    four = affinity_weights(palette, valid, weight_type, bidirection=False)
    assert torch.equal(four, eight[:4])


# ------------------------------------------------------------------ errors


def test_unknown_options_are_refused():
    palette = square_palette()
    with pytest.raises(ValueError, match=r"reduction is .*, mean, .*, not 'median'"):
        affinity_targets(palette, 'median')
    with pytest.raises(ValueError, match=r"border is one of .*'wrap'"):
        affinity_targets(palette, border='wrap')
    with pytest.raises(ValueError, match=r"weight_type is one of .*'area'"):
        affinity_weights(palette, palette[None] > 0, 'area')
    with pytest.raises(ValueError, match=r"overlap is one of .*'sum'"):
        instance_palette(palette[None], overlap='sum')


def test_wrong_dimensions_are_refused():
    with pytest.raises(ValueError, match=r'\(N, H, W\), got shape \(4, 4\)'):
        instance_palette(square_palette())
    with pytest.raises(ValueError, match=r'\(H, W\), got shape \(1, 4, 4\)'):
        affinity_targets(square_palette()[None])
