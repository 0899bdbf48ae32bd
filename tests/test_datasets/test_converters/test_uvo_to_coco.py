import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmdet_ovis.datasets.converters import convert_uvo

HEIGHT, WIDTH = 24, 32


def _rle(x, y, w, h, size=(HEIGHT, WIDTH)):
    mask = np.zeros(size, dtype=np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_utils.encode(mask)
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


@pytest.fixture
def frames(tmp_path):
    """The form of UVO_frame_val.json."""
    path = tmp_path / 'UVO_frame_val.json'
    names = ['-BN4GLLKNpM/61.png', '-BN4GLLKNpM/91.png', 'zaTz9Kk5K4M/30.png']
    content = {
        'info': {},
        'images': [
            {'id': i, 'file_name': name, 'height': HEIGHT, 'width': WIDTH}
            for i, name in enumerate(names)
        ],
        'annotations': [
            {
                'id': 7,
                'image_id': 0,
                'category_id': 1,
                'segmentation': _rle(2, 3, 10, 5),
                'bbox': [2.0, 3.0, 10.0, 5.0],
                'area': 50.0,
                'iscrowd': 0,
            },
            {
                'id': 8,
                'image_id': 2,
                'category_id': 1,
                'segmentation': [[4, 4, 10, 4, 10, 10, 4, 10]],
                'bbox': [4, 4, 6, 6],
                'area': 36,
                'iscrowd': 1,
            },
        ],
        'categories': [{'id': 1, 'name': 'object', 'supercategory': 'object'}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def video(tmp_path):
    """The form of UVO_video_val_dense_with_label.json: a mask a frame, or null."""
    path = tmp_path / 'UVO_video_val_dense.json'
    masks = [[_rle(1, 1, 4, 4), None, _rle(3, 1, 4, 4)], [None, _rle(9, 9, 5, 6), None]]
    content = {
        'videos': [
            {
                'id': 3,
                'ytid': '00cwEcZZcu4',
                'label': 'archery',
                'start_idx': 30,
                'height': HEIGHT,
                'width': WIDTH,
                'length': 3,
                'file_names': [f'00cwEcZZcu4/{n}.png' for n in (30, 31, 32)],
            },
            {
                'id': 1,
                'ytid': '2yB9Ajv5OR8',
                'label': 'bowling',
                'start_idx': 0,
                'height': HEIGHT,
                'width': WIDTH,
                'length': 1,
                'file_names': ['2yB9Ajv5OR8/0.png'],
            },
        ],
        'annotations': [
            {
                'id': 10 + i,
                'video_id': 3,
                'category_id': i + 1,
                'height': HEIGHT,
                'width': WIDTH,
                'start_idx': 30,
                'length': 3,
                'segmentations': of_track,
                'bboxes': [None if m is None else [0, 0, 1, 1] for m in of_track],
                'areas': [None if m is None else 16 for m in of_track],
                'iscrowd': 0,
            }
            for i, of_track in enumerate(masks)
        ],
        'categories': [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'other'}],
    }
    path.write_text(json.dumps(content))
    return path


def _change(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_frames_become_class_agnostic(frames, tmp_path, load):
    summary = convert_uvo(frames, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert [c['name'] for c in content['categories']] == ['object']
    assert content['images'][0]['file_name'] == '-BN4GLLKNpM/61.png'
    first, second = content['annotations']
    assert (first['id'], first['bbox'], first['area']) == (1, [2, 3, 10, 5], 50)
    assert (second['image_id'], second['bbox']) == (2, [4, 4, 6, 6])
    assert second['segmentation'].keys() == {'size', 'counts'}
    assert [first['iscrowd'], second['iscrowd']] == [0, 1]
    assert (summary.n_images, summary.n_annotations) == (3, 2)


def test_frames_without_a_file_are_counted(frames, tmp_path, load):
    for name in ('-BN4GLLKNpM/61.png', '-BN4GLLKNpM/91.png'):
        path = tmp_path / 'frames' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    summary = convert_uvo(frames, tmp_path / 'out.json', tmp_path / 'frames')
    content = load(tmp_path / 'out.json')
    assert [image['id'] for image in content['images']] == [0, 1]
    assert [ann['image_id'] for ann in content['annotations']] == [0]
    assert summary.left_out.counts == {
        'frame without image file': 1,
        'annotation of a frame without image file': 1,
    }
    assert 'zaTz9Kk5K4M/30.png' in str(summary)


def test_a_video_becomes_its_frames(video, tmp_path, load):
    convert_uvo(video, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert [(i['id'], i['file_name']) for i in content['images']] == [
        (1, '00cwEcZZcu4/30.png'),
        (2, '00cwEcZZcu4/31.png'),
        (3, '00cwEcZZcu4/32.png'),
        (4, '2yB9Ajv5OR8/0.png'),
    ]
    found = [
        (a['image_id'], a['bbox'], a['track_id'], a['name'])
        for a in content['annotations']
    ]
    assert found == [
        (1, [1, 1, 4, 4], 10, 'person'),
        (3, [3, 1, 4, 4], 10, 'person'),
        (2, [9, 9, 5, 6], 11, 'other'),
    ]
    assert {a['category_id'] for a in content['annotations']} == {1}


def test_every_second_frame_of_a_video(video, tmp_path, load):
    convert_uvo(video, tmp_path / 'out.json', every=2)
    content = load(tmp_path / 'out.json')
    assert [image['id'] for image in content['images']] == [1, 3, 4]
    assert [ann['image_id'] for ann in content['annotations']] == [1, 3]


def test_bad_masks_are_left_out_and_counted(frames, tmp_path, load):
    def spoil(content):
        good = content['annotations'][0]
        bad = [
            _rle(0, 0, 5, 5, size=(12, 16)),
            _rle(0, 0, 0, 0),
            {'size': [HEIGHT, WIDTH], 'counts': '0'},
            {'size': [HEIGHT, WIDTH], 'counts': [5, 5]},
            [[1, 1]],
            None,
        ]
        content['annotations'] += [{**good, 'segmentation': b} for b in bad]

    _change(frames, spoil)
    summary = convert_uvo(frames, tmp_path / 'out.json')
    assert len(load(tmp_path / 'out.json')['annotations']) == 2
    assert summary.left_out.counts == {
        'mask is of another size than its image': 1,
        'mask is empty': 1,
        'mask is damaged': 2,
        'polygons are not lists of at least three points': 1,
        'mask is neither polygons nor an RLE': 1,
    }
    assert 'UVO_frame_val.json: annotations[2]' in str(summary)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.pop('images'), 'is not a file of UVO'),
        (lambda c: c['images'][1].pop('height'), r"images\[1\]: key 'height' is miss"),
        (
            lambda c: c['annotations'][1].update(image_id=9),
            r"annotations\[1\]: key 'image_id' is 9, no such image",
        ),
        (lambda c: c['annotations'].append(3), r'annotations\[2\] is not an object'),
        (lambda c: c.update(images=[], annotations=[]), 'no image to write'),
    ],
)
def test_broken_frame_files_are_named(frames, tmp_path, change, message):
    _change(frames, change)
    with pytest.raises(ValueError, match=message):
        convert_uvo(frames, tmp_path / 'out.json')
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda c: c['videos'][0].pop('file_names'),
            r"json: videos\[0\]: key 'file_names' is missing",
        ),
        (
            lambda c: c['annotations'][0].update(video_id=8),
            r"annotations\[0\]: key 'video_id' is 8, no such video",
        ),
        (
            lambda c: c['annotations'][1]['segmentations'].pop(),
            r"annotations\[1\]: key 'segmentations' must be a list of 3 masks",
        ),
    ],
)
def test_broken_video_files_are_named(video, tmp_path, change, message):
    _change(video, change)
    with pytest.raises(ValueError, match=message):
        convert_uvo(video, tmp_path / 'out.json')


def test_arguments_that_do_not_fit(frames, tmp_path):
    out = tmp_path / 'out.json'
    with pytest.raises(ValueError, match='at least 1, not 0'):
        convert_uvo(frames, out, every=0)
    with pytest.raises(ValueError, match='every n-th can be kept of videos'):
        convert_uvo(frames, out, every=2)
    with pytest.raises(FileNotFoundError, match='no such folder'):
        convert_uvo(frames, out, tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='no such file'):
        convert_uvo(tmp_path / 'nowhere.json', out)


def test_command_line(video, tmp_path, run, load):
    out = tmp_path / 'out.json'
    code, printed = run('uvo_to_coco.py', video, '--out', out, '--every', 2)
    assert code == 0
    assert f'{out}: 3 images, 2 annotations' in printed
    assert len(load(out)['images']) == 3
    (tmp_path / 'frames').mkdir()
    code, printed = run(
        'uvo_to_coco.py', video, '--out', out, '--images', tmp_path / 'frames'
    )
    assert code == 2
    assert '4 x frame without image file' in printed
