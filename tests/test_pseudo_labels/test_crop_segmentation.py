"""From a box and an activation to a mask, by each segmenter."""

from __future__ import annotations

import dataclasses
import json
import pickle

import cv2
import numpy as np
import pytest
from crop_case import SIDE, disc, disc_task, iou
from mmdet.registry import TASK_UTILS

from mmdet_ovis.pseudo_labels.crop_segmentation import (
    BoxSegmenter,
    ClusteringSegmenter,
    CompatClusteringSegmenter,
    PromptSegmenter,
    ProposalMaskSegmenter,
    RandomWalkerSegmenter,
)
from mmdet_ovis.pseudo_labels.crop_segmentation.crops import (
    MEAN,
    STD,
    cut_crop,
    cut_stretched_crop,
)
from mmdet_ovis.pseudo_labels.mask_cleaning import encode_mask
from mmdet_ovis.structures.proposals import Proposals

QUICK = {'max_side': 32, 'min_iters': 10, 'max_iters': 10, 'width': 16}
QUICK_COMPAT = {'width': 16, 'max_iters': 10}
ALL = {
    'ClusteringSegmenter': QUICK,
    'CompatClusteringSegmenter': QUICK_COMPAT,
    'RandomWalkerSegmenter': {},
    'ProposalMaskSegmenter': {},
    'BoxSegmenter': {},
    'PromptSegmenter': {},
}


@pytest.fixture(params=ALL)
def segmenter(request):
    return TASK_UTILS.build({'type': request.param, **ALL[request.param]})


def with_proposals(**changes):
    masks = [encode_mask(disc(radius)) for radius in (30, 18, 5)]
    boxes = [[0, 0, SIDE, SIDE]] * 3
    return disc_task(
        proposals=Proposals(boxes, [3, 2, 1], (SIDE, SIDE), masks), **changes
    )


# ------------------------------------------------------------------ all of them
def test_masks_are_of_the_image(segmenter):
    task, _ = with_proposals()
    (found,) = segmenter.segment([task])
    assert found.reason is None
    assert found.mask.dtype == bool
    assert found.mask.shape == (SIDE, SIDE)
    assert found.mask.any()
    assert segmenter.segment([]) == []


def test_segmenters_are_picklable_and_say_what_they_are(segmenter):
    task, _ = with_proposals()
    copy = pickle.loads(pickle.dumps(segmenter))
    assert json.loads(json.dumps(segmenter.parameters)) == copy.parameters
    one, other = (each.segment([task])[0].mask for each in (segmenter, copy))
    assert np.array_equal(one, other)


def test_what_comes_of_a_task_does_not_depend_on_the_others(segmenter):
    tasks = [
        with_proposals(key=(i, 'disc', 0), radius=radius, box_side=side)[0]
        for i, (radius, side) in enumerate(((18, 48), (12, 30), (17, 46), (5, 12)))
    ]
    together = segmenter.segment(tasks)
    backwards = segmenter.segment(tasks[::-1])[::-1]
    for task, one, other in zip(tasks, together, backwards, strict=True):
        (alone,) = segmenter.segment([task])
        assert one.reason == other.reason == alone.reason
        if alone.mask is not None:
            assert np.array_equal(one.mask, alone.mask)
            assert np.array_equal(other.mask, alone.mask)


# ------------------------------------------------------------------ clustering
@pytest.mark.parametrize('group', range(3))
def test_case_11_the_default_finds_the_disc(group):
    task, truth = disc_task(key=(group, 'disc', 0))
    segmenter = ClusteringSegmenter()
    (found,) = segmenter.segment([task])
    assert iou(found.mask, truth) >= 0.9


def test_case_11_the_same_seed_gives_the_same_mask():
    task, _ = disc_task()
    one, other = (
        ClusteringSegmenter(min_iters=5, max_iters=5).segment([task])[0]
        for _ in range(2)
    )
    assert one.mask.tobytes() == other.mask.tobytes()
    (changed,) = ClusteringSegmenter(min_iters=5, max_iters=5).segment(
        [disc_task(key=(2, 'disc', 0))[0]]
    )
    assert one.mask.tobytes() != changed.mask.tobytes()


def test_case_11_compat_runs():
    task, truth = disc_task(box_side=40)
    (found,) = CompatClusteringSegmenter().segment([task])
    assert found.mask.any()
    assert iou(found.mask, truth) > 0.2
    x1, y1, x2, y2 = task.box
    outside = found.mask.copy()
    outside[y1:y2, x1:x2] = False
    assert not outside.any()


def test_several_crops_run_at_once(monkeypatch):
    from mmdet_ovis.pseudo_labels.crop_segmentation import clustering

    calls = []
    plain = clustering.cluster

    def counted(runs, *args):
        calls.append(len(runs))
        return plain(runs, *args)

    monkeypatch.setattr(clustering, 'cluster', counted)
    tasks = [disc_task(key=(i, 'x', 0), box_side=40 + i)[0] for i in range(4)]
    ClusteringSegmenter(**QUICK).segment(tasks)
    assert calls == [12]
    calls.clear()
    ClusteringSegmenter(**QUICK, batch_pixels=1).segment(tasks)
    assert calls == [1] * 12


def test_other_keys_have_other_chances():
    task, _ = disc_task()
    seeds = {task.seed(run) for run in range(3)}
    for key in ((2, 'disc', 0), (1, 'disc', 1), (1, 'disk', 0), ('1d', 'isc', 0)):
        seeds |= {disc_task(key=key)[0].seed(run) for run in range(3)}
    assert len(seeds) == 15
    assert min(seeds) >= 0
    assert max(seeds) < 2**63


def test_small_boxes_are_left_out():
    task, _ = disc_task(box_side=8)
    for segmenter in (ClusteringSegmenter(**QUICK), RandomWalkerSegmenter()):
        (found,) = segmenter.segment([task])
        assert (found.mask, found.reason) == (None, 'small_crop')


def test_threads_are_left_as_they_were():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ClusteringSegmenter(**QUICK).segment([disc_task()[0]])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    'options',
    [
        {'max_side': 4},
        {'enlarge': 2.0},
        {'min_confidence': -1},
        {'min_side': 3},
        {'n_seeds': 0},
        {'pad_to': 0},
        {'width': 2},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ClusteringSegmenter(**options)


# ------------------------------------------------------------------ the others
def test_random_walks_find_the_disc():
    task, truth = disc_task()
    (found,) = RandomWalkerSegmenter().segment([task])
    assert iou(found.mask, truth) > 0.95


def test_random_walks_take_a_blurred_crop_through_noise():
    task, truth = disc_task()
    noise = np.random.default_rng(1).normal(0, 60, task.image.shape)
    noisy = np.clip(task.image + noise, 0, 255).astype(np.uint8)
    task = dataclasses.replace(task, image=noisy)
    plain, blurred = (
        iou(RandomWalkerSegmenter(blur=blur).segment([task])[0].mask, truth)
        for blur in (0, 1)
    )
    assert blurred > 0.85 > plain


def test_random_walks_without_background_fill_the_crop():
    task, _ = disc_task(box_side=SIDE, prompt=np.ones((SIDE, SIDE), bool))
    (found,) = RandomWalkerSegmenter().segment([task])
    assert found.mask.all()


def test_random_walks_check_their_options():
    with pytest.raises(ValueError, match='beta'):
        RandomWalkerSegmenter(beta=0)
    with pytest.raises(ValueError, match='blur'):
        RandomWalkerSegmenter(blur=-1)


def test_the_best_mask_among_the_proposals():
    task, truth = with_proposals(prompt=disc(16))
    (found,) = ProposalMaskSegmenter().segment([task])
    assert iou(found.mask, truth) == 1
    outside, _ = with_proposals(prompt=disc(3, center=(2, 2)))
    corner = disc(3, center=(14, 14))  # of the box, where no mask is
    beside, _ = with_proposals(prompt=corner, radius=5)
    for task in (outside, beside):
        task = dataclasses.replace(
            task,
            proposals=Proposals(
                [[0, 0, SIDE, SIDE]], [1], (SIDE, SIDE), [encode_mask(disc(18))]
            ),
        )
        (found,) = ProposalMaskSegmenter().segment([task])
        assert (found.mask, found.reason) == (None, 'empty_mask')


def test_proposals_without_masks_are_refused():
    boxes = Proposals([[0, 0, 9, 9]], [1], (SIDE, SIDE))
    for proposals in (None, boxes):
        task, _ = disc_task(proposals=proposals)
        with pytest.raises(ValueError, match='needs proposals with masks'):
            ProposalMaskSegmenter().segment([task])


def test_box_and_prompt():
    task, _ = disc_task(box_side=20)
    (box,) = BoxSegmenter().segment([task])
    assert box.mask.sum() == 400
    (prompt,) = PromptSegmenter().segment([task])
    assert np.array_equal(prompt.mask, disc(9))


# ------------------------------------------------------------------ crops
@pytest.fixture
def wide():
    """A task on an image of 120 x 200 with a box of 100 x 60 at its right end."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[..., 2] = np.arange(200)  # red grows to the right
    prompt = np.zeros((24, 24), bool)
    prompt[:, 12:] = True
    return disc_task(
        image=image, box=(100, 30, 200, 90), prompt=prompt,
        box_map=prompt.astype('f4'),
    )[0]  # fmt: skip


def test_crops_are_enlarged_and_shrunk(wide):
    crop = cut_crop(wide, enlarge=0.1, max_side=64)
    assert crop.box == (95, 27, 200, 93)
    assert crop.pixels.shape == (40, 64, 3)
    assert crop.pixels.dtype == np.float32
    red = crop.pixels[..., 0] * STD[0] + MEAN[0]  # RGB
    assert red[0, 0] * 255 == pytest.approx(95.4, abs=1)
    assert red[0, -1] * 255 == pytest.approx(198.6, abs=1)
    assert not crop.inside[:, :2].any()
    assert not crop.inside[:1].any()
    assert crop.inside[2:-2, 4:].all()
    assert not crop.active[:, :2].any()
    assert crop.active[:, 4:].all()


def test_small_crops_keep_their_size(wide):
    crop = cut_crop(wide, enlarge=0.1, max_side=500)
    assert crop.pixels.shape == (66, 105, 3)
    assert crop.inside.sum() == 6000
    soft = np.zeros((66, 105), np.float32)
    soft[3:63, 5:] = 1
    mask = crop.paste(soft, (120, 200))
    assert mask.sum() == 6000
    assert mask[30:90, 100:].all()


def test_masks_come_back_at_the_size_of_the_image(wide):
    crop = cut_crop(wide, enlarge=0.1, max_side=32)
    mask = crop.paste(crop.inside.astype(np.float32), (120, 200))
    truth = np.zeros((120, 200), bool)
    truth[30:90, 100:] = True
    assert iou(mask, truth) > 0.9


def test_compat_crops_come_from_the_stretched_image(wide):
    noise = np.random.default_rng(0).integers(0, 255, (120, 400, 3), dtype=np.uint8)
    task = disc_task(
        image=noise, box=(50, 10, 350, 100), prompt=wide.prompt, box_map=wide.box_map
    )[0]
    crop = cut_stretched_crop(task)
    assert crop.box == task.box
    assert crop.pixels.shape == (90, 300, 3)
    assert crop.inside.all()
    own = cut_crop(task, 0.0, 1000)
    detail = [cv2.Laplacian(each.pixels, cv2.CV_32F).std() for each in (crop, own)]
    assert detail[0] < 0.6 * detail[1]  # 400 columns went through 256


def test_compat_takes_all_that_is_activated_in_the_least(wide):
    prompt = np.zeros((12, 20), bool)  # cells of 10 x 10 pixels
    prompt[6, 15] = True
    task = disc_task(
        image=wide.image, box=wide.box, prompt=prompt, box_map=prompt.astype('f4')
    )[0]
    crop, own = cut_stretched_crop(task), cut_crop(task, 0.0, 500)
    assert crop.active[30:40, 50:60].all()
    assert crop.active.sum() == 20**2  # the map falls to 0 a cell further on
    active = own.active[own.inside].reshape(crop.active.shape)
    assert 0 < active.sum() < 10**2
    assert not (active & ~crop.active).any()
