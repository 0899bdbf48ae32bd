"""What all providers of proposals share, and those without a network."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS

from mmdet_ovis.pseudo_labels.proposals import (
    FileProposals,
    FoundBoxes,
    GridProposals,
    ProposalProvider,
    SelectiveSearchProposals,
    save_proposals,
)
from mmdet_ovis.pseudo_labels.proposals.region_merging import (
    SIMILARITIES,
    describe_regions,
    merge_regions,
)
from mmdet_ovis.structures.proposals import Proposals

IMAGE = np.zeros((12, 16, 3), np.uint8)


class FixedProposals(ProposalProvider):
    """Finds what it is told to; its masks tell their places."""

    name = 'fixed'

    def __init__(self, boxes, scores, **kwargs):
        super().__init__(**kwargs)
        self.boxes, self.scores = boxes, scores

    def find(self, image, image_id, file_name):
        return FoundBoxes(
            np.array(self.boxes, float),
            np.array(self.scores, float),
            lambda places: [{'size': [12, 16], 'counts': str(i)} for i in places],
        )


def propose(provider, image=IMAGE, image_id=7):
    return provider.propose(image, image_id, 'a.png')


# ------------------------------------------------------------------ base
def test_boxes_are_clipped_suppressed_and_limited():
    boxes = [[0, 0, 4, 4], [-3, -3, 8, 8], [0, 0, 8, 7], [20, 0, 30, 5], [9, 9, 99, 99]]
    scores = [0.1, 0.5, 0.4, 0.9, 0.3]
    found = propose(FixedProposals(boxes, scores, nms_iou=0.7, top_k=2))
    assert found.boxes.tolist() == [[0, 0, 8, 8], [9, 9, 16, 12]]
    assert found.scores.tolist() == pytest.approx([0.5, 0.3])
    assert [rle['counts'] for rle in found.masks] == ['1', '4']
    assert found.size == (12, 16)


def test_everything_stays_on_request():
    boxes = [[-0.3, 0, 20, 20], [0, 0, 4, 4], [0, 0, 4, 4], [3, 3, 3, 9]]
    provider = FixedProposals(boxes, [0, 0, 0, 0], nms_iou=None, top_k=None, clip=False)
    assert np.array_equal(propose(provider).boxes, np.float32(boxes[:3]))


def test_equal_scores_keep_their_order():
    boxes = [[i, 0, i + 1, 1] for i in range(8)]
    found = propose(FixedProposals(boxes, [1.0] * 8, top_k=5))
    assert found.boxes[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_nothing_found_is_no_error():
    found = propose(FixedProposals([], []))
    assert len(found) == 0
    assert found.masks == ()


@pytest.mark.parametrize(
    ('options', 'message'),
    [({'top_k': 0}, 'top_k'), ({'nms_iou': 0.0}, 'nms_iou'), ({'nms_iou': 2}, 'nms')],
)
def test_limits_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FixedProposals([], [], **options)


# ------------------------------------------------------------------ grid
def test_the_grid_covers_the_image_in_several_sizes():
    provider = TASK_UTILS.build({'type': 'GridProposals', 'nms_iou': None})
    image = np.zeros((60, 80, 3), np.uint8)
    found = propose(provider, image)
    covered = np.zeros((60, 80), int)
    for x1, y1, x2, y2 in found.boxes.astype(int):
        covered[y1:y2, x1:x2] += 1
    assert covered.min() >= 10
    assert [0, 0, 60, 60] in found.boxes.tolist()
    assert set(found.scores.tolist()) == {1.0}
    areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    assert areas.max() / areas.min() > 10


def test_the_grid_depends_on_the_size_only():
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    provider = pickle.loads(pickle.dumps(GridProposals()))
    one, other = propose(provider, noise), propose(provider, np.zeros_like(noise))
    assert np.array_equal(one.boxes, other.boxes)
    assert len(propose(provider, np.zeros((1, 1, 3), np.uint8))) == 1


def test_single_windows_have_the_wanted_shape():
    provider = GridProposals(scales=[0.5], ratios=[4.0], stride=1.0, nms_iou=None)
    found = propose(provider, np.zeros((40, 40, 3), np.uint8))
    assert found.boxes.tolist() == [[x, 0, x + 10, 40] for x in (0, 10, 20, 30)]


@pytest.mark.parametrize(
    'options', [{'scales': [0.0]}, {'ratios': [-1.0]}, {'stride': 0.0}, {'scales': []}]
)
def test_impossible_grids_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GridProposals(**options)


# ------------------------------------------------------------------ selective search
@pytest.fixture
def scene():
    """Two squares on a textured ground; the second has two halves."""
    rng = np.random.default_rng(0)
    image = np.full((96, 128, 3), 60, np.uint8)
    image[20:60, 10:50] = (30, 30, 220)
    image[30:80, 70:95] = (200, 60, 30)
    image[30:80, 95:120] = (220, 90, 40)
    noise = rng.integers(-6, 7, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def best_iou(boxes, box):
    boxes, box = np.asarray(boxes, float), np.asarray(box, float)
    ends = np.minimum(boxes[:, 2:], box[2:])
    overlap = np.clip(ends - np.maximum(boxes[:, :2], box[:2]), 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return (overlap / (areas - overlap)).max()


def test_selective_search_finds_objects_and_their_parts(scene):
    found = propose(SelectiveSearchProposals(), scene)
    for box in ([10, 20, 50, 60], [70, 30, 120, 80], [70, 30, 95, 80]):
        assert best_iou(found.boxes, box) > 0.85, box
    assert best_iou(found.boxes[:1], [0, 0, 128, 96]) == 1


def test_selective_search_is_deterministic_and_picklable(scene):
    provider = TASK_UTILS.build({'type': 'SelectiveSearchProposals', 'top_k': 20})
    one = propose(provider, scene)
    other = propose(pickle.loads(pickle.dumps(provider)), scene)
    assert one.boxes.tobytes() == other.boxes.tobytes()
    assert len(one) <= 20
    json.dumps(provider.parameters)
    assert provider.parameters != SelectiveSearchProposals().parameters


def test_large_images_are_searched_small(scene):
    large = scene.repeat(4, axis=0).repeat(4, axis=1)
    small = propose(SelectiveSearchProposals(max_side=128), scene)
    found = propose(SelectiveSearchProposals(max_side=128), large)
    assert best_iou(found.boxes, np.array([10, 20, 50, 60]) * 4) > 0.85
    assert np.allclose(found.boxes, small.boxes * 4)


def test_an_image_of_one_colour_is_one_region():
    found = propose(SelectiveSearchProposals(), IMAGE)
    assert found.boxes.tolist() == [[0, 0, 16, 12]]


def test_the_most_similar_neighbours_merge_first():
    labels = np.repeat([[0, 1, 2]], 4, axis=0).repeat(4, axis=1)  # three columns
    image = np.zeros((4, 12, 3), np.uint8)
    image[:, 4:8], image[:, 8:] = 104, 112  # of 256 / 25 values in a histogram bin
    regions = describe_regions(labels, image)
    assert regions.colors.sum(axis=1).tolist() == pytest.approx([1] * 3)
    hierarchy = merge_regions(labels, regions, ['color'])
    assert hierarchy.boxes[3:].tolist() == [[4, 0, 12, 4], [0, 0, 12, 4]]
    assert hierarchy.sizes.tolist() == [16, 16, 16, 32, 48]


def test_small_regions_merge_before_large_ones():
    labels = np.repeat([[0, 0, 0, 0, 1, 2, 3, 3, 3, 3]], 2, axis=0)
    regions = describe_regions(labels, np.zeros((2, 10, 3), np.uint8))
    hierarchy = merge_regions(labels, regions, SIMILARITIES)
    assert hierarchy.boxes[4].tolist() == [4, 0, 6, 2]


@pytest.mark.parametrize(
    'options',
    [
        {'scales': []},
        {'color_spaces': ['rgb']},
        {'similarities': []},
        {'max_side': 3},
        {'min_fraction': 1.0},
    ],
)
def test_impossible_searches_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SelectiveSearchProposals(**options)


# ------------------------------------------------------------------ files
def test_saved_proposals_come_back(tmp_path):
    path = tmp_path / 'proposals.npz'
    saved = {
        9: Proposals([[0, 0, 4, 4]], [0.5], (12, 16)),
        7: Proposals([[1, 1, 5, 5], [8, 8, 12, 12]], [0.2, 0.9], (12, 16)),
        3: Proposals.empty((12, 16)),
    }
    save_proposals(path, saved)
    provider = TASK_UTILS.build({'type': 'FileProposals', 'file': str(path)})
    assert propose(provider).boxes.tolist() == [[8, 8, 12, 12], [1, 1, 5, 5]]
    assert len(propose(provider, image_id=3)) == len(propose(provider, image_id=4)) == 0
    first = path.read_bytes()
    save_proposals(path, dict(reversed(saved.items())))
    assert path.read_bytes() == first


def test_boxes_of_coco_results(write_json):
    results = [
        {'image_id': 7, 'bbox': [1, 2, 3, 4], 'score': 0.3, 'category_id': 5},
        {'image_id': 8, 'bbox': [0, 0, 2, 2], 'score': 0.9, 'category_id': 5},
        {'image_id': 7, 'bbox': [6, 6, 4, 4], 'score': 0.6, 'category_id': 1},
    ]
    found = propose(FileProposals(write_json('dt.json', results)))
    assert found.boxes.tolist() == [[6, 6, 10, 10], [1, 2, 4, 6]]
    assert found.masks is None


def test_masks_of_files_come_along(write_json, make_annotation, make_rle):
    masks = write_json('masks.json', [[make_annotation(7, 0)], []])
    found = propose(FileProposals(masks))
    assert found.boxes.tolist() == [[1, 2, 5, 7]]
    assert found.masks[0]['counts'] == make_rle(1, 2, 4, 5)['counts']
    with pytest.raises(ValueError, match=r'image_id 7 has size \[12, 16\], a.png is'):
        propose(FileProposals(masks), np.zeros((5, 5, 3), np.uint8))


def test_masks_of_coco_files_come_along(write_json, make_annotation):
    coco = {'images': [{'id': 7}], 'annotations': [make_annotation(7, 0)]}
    found = propose(FileProposals(write_json('coco.json', coco)))
    assert found.boxes.tolist() == [[1, 2, 5, 7]]
    assert len(found.masks) == 1


def test_results_without_a_mapping_are_refused(write_json):
    results = [{'image_id': 7, 'bbox': [1, 2, 3, 4], 'score': 0.3}, 5]
    with pytest.raises(ValueError, match=r'a\.json\[1\] is a int, not a COCO result'):
        FileProposals(write_json('a.json', results))


def test_files_are_told_apart_by_their_content(write_json):
    result = {'image_id': 7, 'bbox': [1, 2, 3, 4], 'score': 0.3}
    one = FileProposals(write_json('a.json', [result])).parameters
    same = FileProposals(write_json('b.json', [result])).parameters
    other = FileProposals(write_json('c.json', [{**result, 'score': 0.4}])).parameters
    assert one == same != other


@pytest.mark.parametrize(
    ('result', 'message'),
    [
        (
            {'image_id': 7, 'bbox': [1, 2, 3, 4]},
            r"a\.json\[0\]: key 'score' is missing",
        ),
        ({'image_id': 7, 'bbox': [1, 2], 'score': 1}, r"\[0\]: key 'bbox' is \[1, 2\]"),
        ({'image_id': 'x', 'bbox': [1, 2, 3, 4], 'score': 1}, "key 'image_id' is 'x'"),
        ({'image_id': 7, 'bbox': [1, 2, 3, 4], 'score': 10**400}, "key 'score' is 10"),
        ({'image_id': 7, 'bbox': [1, 2, 3, 10**400], 'score': 1}, "key 'bbox' is"),
    ],
)
def test_broken_results_are_refused(write_json, result, message):
    with pytest.raises(ValueError, match=message):
        FileProposals(write_json('a.json', [result]))


def save_arrays(path, **changes):
    arrays = {
        'image_ids': np.array([1, 2]),
        'counts': np.array([1, 0]),
        'boxes': np.zeros((1, 4), 'f4'),
        'scores': np.zeros(1, 'f4'),
    }
    arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'scores': None}, 'it has no scores'),
        ({'boxes': np.zeros((1, 4), 'U3')}, 'array boxes is <U3'),
        ({'counts': np.array([1, 1])}, 'do not fit together'),
        ({'image_ids': np.array([1, 1])}, 'an image twice'),
        ({'boxes': np.full((1, 4), np.nan)}, 'finite'),
        ({'boxes': np.array([[{}] * 4])}, 'not a file of proposals'),
    ],
)
def test_broken_arrays_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        FileProposals(save_arrays(tmp_path / 'p.npz', **changes))


def test_what_is_no_file_of_proposals_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file of proposals: .*p\.npz'):
        FileProposals(tmp_path / 'p.npz')
    (tmp_path / 'p.npz').write_text('nonsense')
    with pytest.raises(ValueError, match=r'is not a file of proposals'):
        FileProposals(tmp_path / 'p.npz')
