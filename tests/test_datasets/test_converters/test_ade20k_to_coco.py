import json

import cv2
import numpy as np
import pytest

from mmdet_ovis.datasets.converters import convert_ade20k

HEIGHT, WIDTH = 20, 30


def _object(image, number, name, part_level=0):
    return {
        'id': number,
        'name': name,
        'name_ndx': 401,
        'hypernym': [name, 'entity'],
        'raw_name': name.split(',')[0],
        'attributes': [],
        'depth_ordering_rank': number,
        'occluded': 'no',
        'crop': '0',
        'parts': {'hasparts': [], 'ispartof': [], 'part_level': part_level},
        'instance_mask': f'{image}/instance_{number:03d}_{image}.png',
        'polygon': {'x': [1, 2, 3], 'y': [1, 2, 1]},
        'saved_date': '25-Sep-2005 20:19:10',
    }


def _write_image(folder, name, masks, objects, encoding='utf-8'):
    """One image with its instance PNGs and JSON file, as ADE20K lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f'{name}.jpg'), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    cv2.imwrite(str(folder / f'{name}_seg.png'), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / name).mkdir()
    for number, mask in masks.items():
        path = folder / name / f'instance_{number:03d}_{name}.png'
        cv2.imwrite(str(path), mask)
    content = {
        'annotation': {
            'filename': f'{name}.jpg',
            'imsize': [HEIGHT, WIDTH, 3],
            'object': objects,
        }
    }
    text = json.dumps(content, ensure_ascii=False)
    (folder / f'{name}.json').write_bytes(text.encode(encoding))


def _mask(visible=None, hidden=None):
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for value, box in ((128, hidden), (255, visible)):
        if box is not None:
            x, y, w, h = box
            mask[y : y + h, x : x + w] = value
    return mask


@pytest.fixture
def ade(tmp_path):
    folder = tmp_path / 'ADE20K_2021_17_01' / 'images' / 'ADE' / 'validation'
    name = 'ADE_val_00000001'
    _write_image(
        folder / 'urban' / 'street',
        name,
        {
            0: _mask(visible=(0, 0, 8, 6), hidden=(8, 0, 4, 6)),
            2: _mask(visible=(10, 10, 5, 5)),
            3: _mask(visible=(11, 11, 2, 2)),
            5: _mask(hidden=(20, 2, 5, 5)),
        },
        [
            _object(name, 0, 'car, auto'),
            _object(name, 2, 'door'),
            _object(name, 3, 'handle', part_level=1),
            _object(name, 5, 'tree'),
        ],
    )
    name = 'ADE_val_00000002'
    _write_image(
        folder / 'home' / 'café',
        name,
        {0: _mask(visible=(1, 1, 9, 9))},
        _object(name, 0, 'café table'),  # one object alone is not in a list
        encoding='latin-1',
    )
    return folder


def test_visible_pixels_become_annotations(ade, tmp_path, load):
    summary = convert_ade20k(ade, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert [i['file_name'] for i in content['images']] == [
        'home/café/ADE_val_00000002.jpg',
        'urban/street/ADE_val_00000001.jpg',
    ]
    assert content['images'][0]['height'] == HEIGHT
    found = [
        (a['image_id'], a['name'], a['bbox'], a['area'], a['part_level'])
        for a in content['annotations']
    ]
    assert found == [
        (1, 'café table', [1, 1, 9, 9], 81, 0),
        (2, 'car, auto', [0, 0, 8, 6], 48, 0),
        (2, 'door', [10, 10, 5, 5], 25, 0),
        (2, 'handle', [11, 11, 2, 2], 4, 1),
    ]
    assert [c['name'] for c in content['categories']] == ['object']
    assert summary.left_out.counts == {'instance without a visible pixel': 1}
    assert 'ADE_val_00000001/instance_005_ADE_val_00000001.png' in str(summary)


def test_parts_can_be_left_out(ade, tmp_path, load):
    summary = convert_ade20k(ade, tmp_path / 'out.json', parts=False)
    names = [a['name'] for a in load(tmp_path / 'out.json')['annotations']]
    assert names == ['café table', 'car, auto', 'door']
    assert summary.left_out.counts['part of an object'] == 1


def test_processes_give_the_same_bytes(ade, tmp_path):
    convert_ade20k(ade, tmp_path / 'one.json', workers=1)
    convert_ade20k(ade, tmp_path / 'two.json', workers=2)
    one, two = ((tmp_path / f'{n}.json').read_bytes() for n in ('one', 'two'))
    assert one == two


def test_what_is_broken_is_counted(ade, tmp_path, load):
    street = ade / 'urban' / 'street'
    lonely = street / 'ADE_val_00000003.jpg'
    lonely.write_bytes((street / 'ADE_val_00000001.jpg').read_bytes())
    name = 'ADE_val_00000004'
    _write_image(street, name, {0: _mask(visible=(1, 1, 3, 3))}, [])
    (street / f'{name}.json').write_text('{"annotation": {}}')
    _write_image(street, 'ADE_val_00000005', {}, [])
    (street / 'ADE_val_00000005.jpg').write_bytes(b'no image')
    name = 'ADE_val_00000006'
    _write_image(street, name, {0: _mask(visible=(1, 1, 3, 3))[:10]}, [])
    (street / name / 'instance_001.png').write_bytes(b'')
    (street / f'{name}.json').unlink()
    summary = convert_ade20k(ade, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert len(content['images']) == 4
    assert len(content['annotations']) == 5
    assert 'name' not in content['annotations'][-1]
    assert summary.left_out.counts == {
        'instance without a visible pixel': 1,
        'image without a folder of instances': 1,
        'names: the JSON file is of another form': 1,
        'image that cannot be read': 1,
        'names: no JSON file beside the image': 1,
        'mask of another size than its image': 1,
        'mask that cannot be read': 1,
    }


def test_the_wrong_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such folder'):
        convert_ade20k(tmp_path / 'nowhere', tmp_path / 'out.json')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'no image to write to .*out\.json'):
        convert_ade20k(tmp_path / 'empty', tmp_path / 'out.json')


def test_command_line(ade, tmp_path, run, load):
    out = tmp_path / 'out.json'
    arguments = [ade, '--out', out, '--workers', 1, '--no-parts']
    code, printed = run('ade20k_to_coco.py', *arguments)
    assert code == 0
    assert f'{out}: 2 images, 3 annotations' in printed
    assert 'left out: 1 x part of an object, for example' in printed
    assert len(load(out)['annotations']) == 3
