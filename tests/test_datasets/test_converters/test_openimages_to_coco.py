import json

import cv2
import numpy as np
import pytest

from mmdet_ovis.datasets.converters import convert_open_images
from mmdet_ovis.datasets.converters.openimages_labels import read_hierarchy
from mmdet_ovis.datasets.converters.openimages_to_coco import read_classes

HEAD = (
    'MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,'
    'Clicks'
)
CLICKS = '0.95498 0.65197 1;0.89370 0.56579 1'
FIRST, SECOND, ABSENT = '05529ae018130c68', 'a77c122b0eaa5d16', '96e7ee70b428a54e'


def _row(image, label, box_id, iou='0.86864'):
    name = f'{image}_{label.replace("/", "")}_{box_id}.png'
    return f'{name},{image},{label},{box_id},0.25,0.5,0.1,0.6,{iou},{CLICKS}'


def _mask(folder, image, label, box_id, height, width, box):
    folder.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((height, width), dtype=np.uint8)
    x, y, w, h = box
    mask[y : y + h, x : x + w] = 255
    name = f'{image}_{label.replace("/", "")}_{box_id}.png'
    options = [cv2.IMWRITE_PNG_BILEVEL, 1]  # the release has 1 bit a pixel
    cv2.imwrite(str(folder / name), mask, options)


@pytest.fixture
def oid(tmp_path):
    """Two images with three masks, and a row of an image that is not there."""
    root = tmp_path / 'openimages'
    root.mkdir()
    (root / 'masks.csv').write_text(
        '\n'.join(
            [
                HEAD,
                _row(SECOND, '/m/04yx4', '9a041d52'),
                _row(ABSENT, '/m/04yx4', '05580497'),
                _row(FIRST, '/m/09j2d', 'b1115fd0', iou=''),
                _row(SECOND, '/m/09j2d', '11111111', iou='0.5'),
            ]
        )
        + '\n'
    )
    (root / 'classes.csv').write_text(
        'LabelName,DisplayName\n/m/011k07,Tortoise\n/m/04yx4,Man\n/m/09j2d,Clothing\n'
    )
    images = root / 'validation'
    images.mkdir()
    cv2.imwrite(str(images / f'{FIRST}.jpg'), np.full((40, 60, 3), 90, np.uint8))
    cv2.imwrite(str(images / f'{SECOND}.jpg'), np.full((32, 32, 3), 90, np.uint8))
    _mask(root / 'masks', FIRST, '/m/09j2d', 'b1115fd0', 80, 120, (20, 10, 40, 60))
    _mask(root / 'masks' / 'A', SECOND, '/m/04yx4', '9a041d52', 32, 32, (1, 2, 3, 4))
    _mask(root / 'masks', SECOND, '/m/09j2d', '11111111', 32, 32, (5, 5, 9, 9))
    return root


def _convert(root, out, **options):
    return convert_open_images(
        root / 'masks.csv', root / 'classes.csv', root / 'masks', root / 'validation',
        out, **options,
    )  # fmt: skip


def test_masks_come_at_the_size_of_their_images(oid, tmp_path, load):
    summary = _convert(oid, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert [(i['id'], i['file_name']) for i in content['images']] == [
        (1, f'{FIRST}.jpg'),
        (2, f'{SECOND}.jpg'),
    ]
    found = [
        (
            a['image_id'],
            a['category_id'],
            a['bbox'],
            a['box_id'],
            a.get('predicted_iou'),
        )
        for a in content['annotations']
    ]
    assert found == [
        (1, 3, [10, 5, 20, 30], 'b1115fd0', None),
        (2, 2, [1, 2, 3, 4], '9a041d52', 0.86864),
        (2, 3, [5, 5, 9, 9], '11111111', 0.5),
    ]
    assert [c['name'] for c in content['categories']] == ['Tortoise', 'Man', 'Clothing']
    assert summary.left_out.counts == {'image without a file': 1}


def test_two_processes_give_the_same_bytes(oid, tmp_path):
    _convert(oid, tmp_path / 'one.json')
    _convert(oid, tmp_path / 'two.json', workers=2)
    one, two = ((tmp_path / f'{n}.json').read_bytes() for n in ('one', 'two'))
    assert one == two


def test_classes_may_come_without_a_head_line(oid):
    with_head = read_classes(oid / 'classes.csv')
    (oid / 'classes.csv').write_text(
        '/m/011k07,Tortoise\n/m/04yx4,Man\n/m/09j2d,Clothing\n'
    )
    assert read_classes(oid / 'classes.csv') == with_head
    assert with_head[1] == {
        'id': 2, 'name': 'Man', 'supercategory': 'object', 'mid': '/m/04yx4',
    }  # fmt: skip


def test_bad_files_are_counted(oid, tmp_path, load):
    _mask(oid / 'masks', FIRST, '/m/09j2d', 'b1115fd0', 80, 120, (0, 0, 0, 0))
    next((oid / 'masks' / 'A').glob('*.png')).write_bytes(b'')
    next((oid / 'masks').glob('*_11111111.png')).unlink()
    (oid / 'validation' / f'{ABSENT}.jpg').write_bytes(b'no image')
    summary = _convert(oid, tmp_path / 'out.json')
    assert load(tmp_path / 'out.json')['annotations'] == []
    assert summary.left_out.counts == {
        'mask is empty': 1,
        'image that cannot be read': 1,
        'mask that cannot be read': 1,
        'mask without a file': 1,
    }


@pytest.mark.parametrize(
    ('name', 'old', 'new', 'message'),
    [
        (
            'masks.csv',
            'LabelName',
            'Label',
            r"masks\.csv: the first row lacks .*'LabelN",
        ),
        (
            'masks.csv',
            ',/m/09j2d,b1115fd0',
            ',/m/0zzz,b1115fd0',
            r"masks\.csv: row 4: LabelName '/m/0zzz' is not in .*classes\.csv",
        ),
        ('masks.csv', f',0.86864,{CLICKS}', '', r'row 2 has 8 columns, the first row'),
        ('masks.csv', '0.86864', 'much', r"row 2: could not convert .*'much'"),
        ('classes.csv', '/m/04yx4,Man', '/m/04yx4', r'row 3 has 1 columns; machine id'),
    ],
)
def test_broken_tables_are_named(oid, tmp_path, name, old, new, message):
    path = oid / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        _convert(oid, tmp_path / 'out.json')


LABELS = f"""ImageID,Source,LabelName,Confidence
{FIRST},verification,/m/04yx4,0
{FIRST},verification,/m/09j2d,1
{FIRST},verification,/m/0animal,0.0
{ABSENT},verification,/m/04yx4,0
"""
HIERARCHY = {
    'LabelName': '/m/0entity',
    'Subcategory': [
        {'LabelName': '/m/09j2d', 'Part': [{'LabelName': '/m/04yx4'}]},
        {
            'LabelName': '/m/0animal',
            'Subcategory': [{'LabelName': '/m/011k07'}],
        },
    ],
}


def test_classes_that_are_known_to_be_absent(oid, tmp_path, load):
    (oid / 'hierarchy.json').write_text(json.dumps(HIERARCHY))
    options = {'labels_csv': _write_labels(oid)}
    _convert(oid, tmp_path / 'out.json', **options)
    images = load(tmp_path / 'out.json')['images']
    assert [image['neg_category_ids'] for image in images] == [[2], []]
    _convert(oid, tmp_path / 'out.json', **options, hierarchy=oid / 'hierarchy.json')
    images = load(tmp_path / 'out.json')['images']
    assert [image['neg_category_ids'] for image in images] == [[1, 2], []]
    _convert(oid, tmp_path / 'out.json')
    assert 'neg_category_ids' not in load(tmp_path / 'out.json')['images'][0]


def test_hierarchy_is_read_downwards(oid):
    (oid / 'hierarchy.json').write_text(json.dumps(HIERARCHY))
    assert read_hierarchy(oid / 'hierarchy.json') == {
        '/m/0entity': {'/m/09j2d', '/m/0animal', '/m/011k07'},
        '/m/0animal': {'/m/011k07'},
    }


@pytest.mark.parametrize(
    ('labels', 'hierarchy', 'message'),
    [
        (None, {}, 'a hierarchy is of use with image-level labels only'),
        (
            LABELS.replace('Confidence', 'Score'),
            None,
            r'labels\.csv: the first row lacks',
        ),
        (LABELS.replace('0.0', 'no'), None, r"labels\.csv: row 4: Confidence is 'no'"),
        (LABELS, {'LabelName': 'a', 'Subcategory': [7]}, r'y\.json is not a hierarchy'),
        (LABELS, [], r'hierarchy\.json is not a hierarchy'),
    ],
)
def test_broken_labels_are_named(oid, tmp_path, labels, hierarchy, message):
    options = {}
    for key, name, text in (
        ('labels_csv', 'labels.csv', labels),
        ('hierarchy', 'hierarchy.json', hierarchy),
    ):
        if text is not None:
            options[key] = oid / name
            options[key].write_text(text if name == 'labels.csv' else json.dumps(text))
    with pytest.raises(ValueError, match=message):
        _convert(oid, tmp_path / 'out.json', **options)


def test_missing_inputs_are_named(oid, tmp_path):
    (oid / 'masks.csv').unlink()
    with pytest.raises(FileNotFoundError, match=r'no such file: .*masks\.csv'):
        _convert(oid, tmp_path / 'out.json')
    with pytest.raises(FileNotFoundError, match='no such folder: nowhere'):
        convert_open_images(
            oid / 'masks.csv', oid / 'classes.csv', oid / 'masks', 'nowhere', 'x.json'
        )


def test_a_table_that_is_no_text_is_named(oid, tmp_path):
    (oid / 'masks.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match=r'masks\.csv is not a CSV file'):
        _convert(oid, tmp_path / 'out.json')


def _write_labels(oid):
    (oid / 'labels.csv').write_text(LABELS)
    return oid / 'labels.csv'


def test_command_line(oid, tmp_path, run, load):
    out = tmp_path / 'out.json'
    code, printed = run(
        'openimages_to_coco.py', oid / 'masks.csv', '--classes', oid / 'classes.csv',
        '--masks', oid / 'masks', '--images', oid / 'validation', '--out', out,
        '--workers', 1, '--image-labels', _write_labels(oid),
    )  # fmt: skip
    assert code == 0
    assert load(out)['images'][0]['neg_category_ids'] == [2]
    assert 'left out: 1 x image without a file' in printed
    assert len(load(out)['annotations']) == 3
