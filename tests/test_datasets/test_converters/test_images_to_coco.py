import json

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_ovis.datasets.converters import convert_images
from mmdet_ovis.datasets.converters.masks import read_image_size
from mmdet_ovis.utils.image import read_image


def _write(path, height, width, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((height, width, 3), 90, np.uint8))
    image.save(path, format=options.pop('format', None), **options)


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture
def imagenet(tmp_path):
    folder = tmp_path / 'train'
    _write(folder / 'n01440764' / 'n01440764_10026.JPEG', 10, 20)
    _write(folder / 'n01440764' / 'n01440764_18.JPEG', 30, 40)
    _write(folder / 'n01443537' / 'n01443537_2.JPEG', 50, 60, format='PNG')
    _write(folder / 'n02105855' / 'turned.JPEG', 70, 80, exif=_exif(6))
    return folder


def _files(content):
    return {i['file_name']: (i['id'], i['height'], i['width']) for i in content}


def test_images_are_listed_with_their_sizes(imagenet, tmp_path, load):
    summary = convert_images(imagenet, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert _files(content['images']) == {
        'n01440764/n01440764_10026.JPEG': (1, 10, 20),
        'n01440764/n01440764_18.JPEG': (2, 30, 40),
        'n01443537/n01443537_2.JPEG': (3, 50, 60),
        'n02105855/turned.JPEG': (4, 80, 70),
    }
    assert content['annotations'] == []
    assert [c['name'] for c in content['categories']] == ['object']
    assert summary.n_images == 4
    assert not list(tmp_path.glob('*.unreadable.jsonl'))


def test_ids_do_not_depend_on_what_can_be_read(imagenet, tmp_path):
    bad = imagenet / 'n01440764' / 'n01440764_18.JPEG'
    bad.write_bytes(b'')
    (imagenet / 'n01440764' / 'notes.txt').write_text('x')
    out = tmp_path / 'out.json'
    summary = convert_images(imagenet, out)
    files = _files(json.loads(out.read_text())['images'])
    assert [number for number, *_ in files.values()] == [1, 3, 4]
    assert summary.left_out.counts == {
        'file that is no image by its name': 1,
        'image that cannot be read': 1,
    }
    (line,) = (tmp_path / 'out.json.unreadable.jsonl').read_text().splitlines()
    entry = json.loads(line)
    assert entry['file_name'] == 'n01440764/n01440764_18.JPEG'
    assert 'is not an image, or is damaged' in entry['reason']

    _write(bad, 30, 40)
    convert_images(imagenet, out)
    assert not (tmp_path / 'out.json.unreadable.jsonl').exists()


def test_worker_processes_give_the_same_bytes(imagenet, tmp_path):
    for i in range(150):  # more than go to a worker at once
        _write(imagenet / 'many' / f'{i}.png', 4 + i % 7, 5)
    convert_images(imagenet, tmp_path / 'one.json', workers=0)
    convert_images(imagenet, tmp_path / 'two.json', workers=2)
    one, two = ((tmp_path / f'{n}.json').read_bytes() for n in ('one', 'two'))
    assert one == two


def test_links_are_followed_but_not_in_circles(imagenet, tmp_path):
    (imagenet / 'n01440764' / 'loop').symlink_to(imagenet)
    _write(tmp_path / 'elsewhere' / 'a.png', 4, 5)
    (imagenet / 'linked').symlink_to(tmp_path / 'elsewhere')
    convert_images(imagenet, tmp_path / 'out.json')
    names = _files(json.loads((tmp_path / 'out.json').read_text())['images'])
    assert 'linked/a.png' in names
    assert len(names) == 5


@pytest.mark.parametrize('orientation', range(1, 9))
def test_sizes_are_those_of_the_loaded_image(tmp_path, orientation):
    path = tmp_path / 'x.jpg'
    _write(path, 16, 24, exif=_exif(orientation))
    assert read_image_size(path) == read_image(path).shape[:2]
    assert (read_image_size(path) == (24, 16)) == (orientation >= 5)


def test_a_broken_exif_header_is_no_obstacle(tmp_path):
    path = tmp_path / 'x.jpg'
    _write(path, 16, 24, exif=b'Exif\x00\x00 no such thing')
    assert read_image_size(path) == (16, 24)


def test_16_bit_and_cmyk_images_have_a_size(tmp_path):
    cv2.imwrite(str(tmp_path / 'x.png'), np.zeros((5, 7), dtype=np.uint16))
    Image.new('CMYK', (9, 6)).save(tmp_path / 'x.jpg')
    assert read_image_size(tmp_path / 'x.png') == (5, 7)
    assert read_image_size(tmp_path / 'x.jpg') == (6, 9)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such folder'):
        convert_images(tmp_path / 'nowhere', tmp_path / 'out.json')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty' / 'x.jpg').write_text('no image')
    with pytest.raises(ValueError, match=r'no image to write .*1 x image that cannot'):
        convert_images(tmp_path / 'empty', tmp_path / 'out.json')
    with pytest.raises(ValueError, match='is a folder; name the file'):
        convert_images(tmp_path / 'empty', tmp_path)
    with pytest.raises(FileNotFoundError, match='no such image'):
        read_image_size(tmp_path / 'nowhere.jpg')


def test_command_line(imagenet, tmp_path, run, load):
    out = tmp_path / 'out.json'
    code, printed = run('images_to_coco.py', imagenet, '--out', out, '--workers', 1)
    assert code == 0
    assert f'{out}: 4 images, 0 annotations' in printed
    assert len(load(out)['images']) == 4
