"""Masks of other tools: COCO results as pseudo annotations."""

from __future__ import annotations

import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels import fill_gt_iou
from mmdet_ovis.pseudo_labels.reader import iter_pseudo_images, load_pseudo_annotations

SQUARE = [2, 1, 6, 1, 6, 5, 2, 5]  # 4 x 4 pixels from (2, 1)


@pytest.fixture
def result(make_rle):
    """The box (x=1, y=2, w=4, h=5) of image 7, with the keys that must be there."""

    def make(image_id: int = 7, score: float = 0.5, **changes) -> dict:
        return {
            'image_id': image_id,
            'segmentation': make_rle(1, 2, 4, 5),
            'score': score,
            **changes,
        }

    return make


def test_what_results_lack_is_filled_in(write_json, result, make_rle):
    (ann,) = load_pseudo_annotations(write_json('dt.json', [result()]))[7]
    assert ann == {
        'image_id': 7,
        'category_id': 1,
        'segmentation': make_rle(1, 2, 4, 5),
        'bbox': [1, 2, 4, 5],
        'area': 20,
        'iscrowd': 0,
        'score': 0.5,
        'rank': 0,
        'gt_iou': None,
        'source': 'file',
        'pseudo': 1,
    }


def test_what_results_say_stays(write_json, result):
    said = {'bbox': [0, 1, 6, 7], 'area': 21.5, 'category_id': 5, 'source': 'sam'}
    more = {'gt_iou': 0.25, 'word': 'kite', 'stability': 0.9}
    path = write_json('dt.json', [result(**said, **more)])
    (ann,) = load_pseudo_annotations(path)[7]
    assert ann.items() >= {**said, **more}.items()


def test_ranks_follow_the_score_and_equals_keep_their_order(write_json, result):
    scores = [0.2, 0.9, 0.5, 0.9, -3]
    results = [result(score=score, word=str(i)) for i, score in enumerate(scores)]
    anns = load_pseudo_annotations(write_json('dt.json', results))[7]
    assert [ann['word'] for ann in anns] == ['1', '3', '2', '0', '4']
    assert [ann['rank'] for ann in anns] == [0, 1, 2, 3, 4]


def test_images_may_be_mixed(write_json, result):
    ids = [7, 9, 7, 8, 9]
    results = [result(image_id, score=i) for i, image_id in enumerate(ids)]
    images = list(iter_pseudo_images(write_json('dt.json', results)))
    assert [image.image_id for image in images] == [7, 9, 8]
    assert [[ann['score'] for ann in image.annotations] for image in images] == [
        [2, 0],
        [4, 1],
        [3],
    ]


def test_results_in_order_are_read_one_by_one(tmp_path, write_json, result):
    text = write_json('dt.json', [result(7), result(8), result(9)]).read_text()
    path = tmp_path / 'cut.json'
    path.write_text(text.replace('"image_id": 9', '"image_id": "x"'))
    images = iter_pseudo_images(path)
    assert next(images).image_id == 7
    with pytest.raises(ValueError, match=r"cut\.json\[2\]: key 'image_id' is str 'x'"):
        list(images)


def test_lists_and_coco_files_of_results_are_read_too(write_json, result):
    expected = load_pseudo_annotations(write_json('a.json', [result(7), result(9)]))
    lists = write_json('b.json', [[result(7)], [], [result(9)]])
    coco = write_json('c.json', {'annotations': [result(7), result(9)]})
    assert load_pseudo_annotations(lists) == expected
    assert load_pseudo_annotations(coco) == expected


def test_masks_without_a_pixel_are_left_out_and_counted(
    write_json, result, make_rle, log
):
    empty = result(score=0.9, segmentation=make_rle(0, 0, 0, 0), bbox=[3, 3, 0, 0])
    path = write_json('dt.json', [empty, result(), result(9, segmentation=[[1, 1]])])
    by_image = load_pseudo_annotations(path, sizes={9: (12, 16)})
    assert {image: [a['rank'] for a in anns] for image, anns in by_image.items()} == {
        7: [0]
    }
    assert '2 masks without a pixel are left out' in log.text


def test_polygons_become_masks_where_the_size_is_known(write_json, result, make_rle):
    path = write_json('dt.json', [result(segmentation=[SQUARE])])
    (ann,) = load_pseudo_annotations(path, sizes={7: (12, 16)})[7]
    assert ann['segmentation'] == make_rle(2, 1, 4, 4)
    assert (ann['bbox'], ann['area']) == ([2, 1, 4, 4], 16)
    with pytest.raises(ValueError, match=r'dt\.json\[0\].*polygons.*how large'):
        load_pseudo_annotations(path)


def test_uncompressed_runs_bring_their_size(write_json, result):
    runs = {'size': [4, 5], 'counts': [5, 2, 2, 2, 9]}
    path = write_json('dt.json', [result(segmentation=runs)])
    (ann,) = load_pseudo_annotations(path)[7]
    assert ann['segmentation'] == {'size': [4, 5], 'counts': '52203'.replace('3', '7')}
    assert mask_api.decode(ann['segmentation']).T.ravel().tolist() == (
        [0] * 5 + [1, 1, 0, 0, 1, 1] + [0] * 9
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'score': None}, "key 'score' is None; it must be a finite number"),
        ({'score': float('nan')}, "key 'score' is nan"),
        ({'score': True}, "key 'score' is True"),
        ({'image_id': None}, "key 'image_id' is NoneType None"),
        ({'category_id': 'dog'}, "key 'category_id' is str 'dog'"),
        ({'segmentation': None}, "key 'segmentation' is NoneType None"),
        ({'segmentation': [SQUARE, 'x']}, 'not one of polygons'),
        ({'segmentation': [[1, 2, None, 3, 4, 5]]}, 'not one of polygons'),
        ({'segmentation': {'size': [4, 5], 'counts': [5, 2]}}, 'the 20 pixels'),
        (
            {'segmentation': {'size': [4, 5], 'counts': [21, -1]}},
            'the 20 pixels',
        ),
        (
            {'segmentation': {'size': [4], 'counts': [20]}},
            "'segmentation.size' is",
        ),
        ({'segmentation': {'size': [4, 5], 'counts': '5'}}, 'not an RLE of size'),
        ({'gt_iou': 2}, "key 'gt_iou' is int 2"),
        ({'bbox': [0, 0, 0, 4]}, "key 'bbox' is list"),
    ],
)
def test_broken_results_are_named(write_json, result, changes, message):
    path = write_json('dt.json', [result(9), result(**changes)])
    with pytest.raises(ValueError, match=message) as error:
        load_pseudo_annotations(path, sizes={7: (12, 16)})
    assert str(error.value).startswith(f'{path}[1]: ')


@pytest.mark.parametrize('key', ['segmentation', 'score'])
def test_a_missing_key_is_named(write_json, result, key):
    broken = result()
    del broken[key]
    with pytest.raises(ValueError, match=rf"dt\.json\[0\]: key '{key}' is missing"):
        load_pseudo_annotations(write_json('dt.json', [broken]))


def test_pseudo_annotations_and_results_do_not_mix(write_json, result, make_annotation):
    path = write_json('m.json', [[make_annotation(7), result(7)]])
    with pytest.raises(ValueError, match=r"m\.json\[0\]\[1\]: key 'rank' is missing"):
        load_pseudo_annotations(path)


def test_only_unknown_overlaps_are_computed(result, make_rle):
    anns = [
        {'segmentation': make_rle(0, 0, 4, 4), 'gt_iou': None},
        {'segmentation': make_rle(0, 0, 4, 4), 'gt_iou': 0.125},
        {'segmentation': make_rle(9, 9, 2, 2), 'gt_iou': None},
    ]
    seen = [make_rle(0, 0, 4, 8), make_rle(0, 0, 1, 1)]
    assert [ann['gt_iou'] for ann in fill_gt_iou(anns, seen)] == [0.5, 0.125, 0.0]
    assert [ann['gt_iou'] for ann in fill_gt_iou(anns, [])] == [0.0, 0.125, 0.0]
    assert anns[0]['gt_iou'] is None
