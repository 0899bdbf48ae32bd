"""Reading captions."""

from __future__ import annotations

import json

import pytest

from mmdet_ovis.datasets.captions import (
    CaptionedImage,
    iter_captioned_images,
    read_captions,
)


@pytest.fixture
def write(tmp_path):
    def write(content, name='captions.json'):
        path = tmp_path / name
        if isinstance(content, list) and path.suffix == '.jsonl':
            content = '\n\n'.join(json.dumps(entry) for entry in content)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


COCO = {
    'images': [
        {'id': 9, 'file_name': 'b.jpg', 'height': 4, 'width': 6},
        {'id': 3, 'file_name': 'a.jpg', 'height': 5, 'width': 6},
    ],
    'annotations': [
        {'id': 1, 'image_id': 9, 'caption': 'A dog. '},
        {'id': 2, 'image_id': 9, 'caption': 'A cat.'},
        {'id': 3, 'image_id': 9, 'caption': 'A dog.'},
    ],
}


def test_coco_captions_in_the_order_of_the_images(write):
    path = write(COCO)
    assert list(iter_captioned_images(path)) == [
        CaptionedImage(9, 'b.jpg', ('A dog.', 'A cat.'), (4, 6)),
        CaptionedImage(3, 'a.jpg', (), (5, 6)),
    ]
    assert read_captions(path) == {9: ('A dog.', 'A cat.')}


def test_captions_of_openshapes(openshapes):
    path = openshapes / 'annotations' / 'captions_train.json'
    images = list(iter_captioned_images(path))
    assert [image.image_id for image in images] == list(range(1, 13))
    assert images[0].file_name == '000001.jpg'
    assert images[0].size == (96, 96)
    assert all(image.captions for image in images)


ENTRIES = [
    {'image': 'coco/train2017/000000000139.jpg', 'caption': 'A room.'},
    {'image': 'coco/train2017/000000000025.jpg', 'caption': ['A zoo.', 'Giraffes.']},
    {'image': 'coco/train2017/000000000139.jpg', 'caption': 'A clock.'},
]


@pytest.mark.parametrize('name', ['list.json', 'lines.jsonl', 'LINES.JSONL'])
def test_lists_put_the_captions_of_an_image_together(write, name):
    expected = [
        CaptionedImage(25, ENTRIES[1]['image'], ('A zoo.', 'Giraffes.')),
        CaptionedImage(139, ENTRIES[0]['image'], ('A room.', 'A clock.')),
    ]
    entries = ENTRIES if name != 'LINES.JSONL' else '\n'.join(map(json.dumps, ENTRIES))
    assert list(iter_captioned_images(write(entries, name))) == expected
    shuffled = write(ENTRIES[1:] + ENTRIES[:1])
    assert [image.image_id for image in iter_captioned_images(shuffled)] == [25, 139]


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['b/7.jpg', 'a/7.jpg'], {'a/7.jpg': 1, 'b/7.jpg': 2}),
        (['dog.jpg', 'cat8.jpg'], {'cat8.jpg': 1, 'dog.jpg': 2}),
        (['x_12.jpg', 'y9.jpg'], {'x_12.jpg': 12, 'y9.jpg': 9}),
    ],
)
def test_ids_are_numbers_of_files_or_places(write, names, expected):
    path = write([{'file_name': name, 'caption': 'A dog.'} for name in names])
    found = {image.file_name: image.image_id for image in iter_captioned_images(path)}
    assert found == expected


def test_ids_and_sizes_may_be_given(write):
    entry = {'image': 'a1.jpg', 'image_id': 70, 'height': 4, 'width': 5}
    (image,) = iter_captioned_images(write([entry]))
    assert image == CaptionedImage(70, 'a1.jpg', (), (4, 5))


@pytest.mark.parametrize(
    ('content', 'name', 'message'),
    [
        ({'words': []}, 'c.json', 'none of the forms of captions'),
        ('7', 'c.json', 'none of the forms of captions'),
        ([], 'c.json', r'c\.json has no entry'),
        ([7], 'c.json', r'c\.json\[0\] is not an object'),
        ([{'caption': 'A dog.'}], 'c.json', r"\[0\]: key 'image' is missing"),
        ([{'image': 7}], 'c.json', r"\[0\]: key 'image' is 7; it must be a string"),
        ([{'image': 'a', 'caption': 7}], 'c.json', r"key 'caption' is 7"),
        ([{'image': 'a', 'caption': [7]}], 'c.json', r"key 'caption' is \[7\]"),
        ([{'image': 'a', 'height': 4}], 'c.json', r"\[0\]: key 'width' is missing"),
        (
            [{'image': 'a', 'image_id': 1}, {'image': 'b', 'image_id': 1}],
            'c.json',
            r"\[1\]: image_id 1 is that of 'a', too",
        ),
        (
            [{'image': 'a', 'image_id': 1}, {'image': 'b'}],
            'c.json',
            r"\[1\]: key 'image_id' is missing",
        ),
        ('{"image": "a"}\n{"image"', 'c.jsonl', r'c\.jsonl: line 2 is not valid JSON'),
        ({**COCO, 'annotations': None}, 'c.json', "no list 'annotations'"),
        ({**COCO, 'images': None}, 'c.json', "no list 'images'"),
        (
            {**COCO, 'annotations': [{'image_id': 8, 'caption': 'x'}]},
            'c.json',
            r"annotations\[0\]: no image has 'id' 8",
        ),
        (
            {**COCO, 'annotations': [{'image_id': 9, 'bbox': []}]},
            'c.json',
            r"annotations\[0\]: key 'caption' is missing",
        ),
        (
            {**COCO, 'images': [{'id': 9, 'height': 4, 'width': 4}]},
            'c.json',
            r"images\[0\]: key 'file_name' is missing",
        ),
    ],
)
def test_broken_captions_are_named(write, content, name, message):
    with pytest.raises(ValueError, match=message):
        list(iter_captioned_images(write(content, name)))


def test_index_and_captions_in_two_files(write):
    """As CMPL keeps Conceptual Captions."""
    names = ['b/2_17.jpg', 'a/1_9.jpg', 'c/0_4.jpg']
    write(['A dog.', 'A cat. ', ['Two', 'lines']], 'train_caption.json')
    images = list(iter_captioned_images(write(names, 'train_index.json')))
    assert [(image.image_id, image.file_name, image.captions) for image in images] == [
        (9, 'a/1_9.jpg', ('A cat.',)),
        (17, 'b/2_17.jpg', ('A dog.',)),
        (4, 'c/0_4.jpg', ('Two', 'lines')),
    ]
    write(['A dog.'], 'train_caption.json')
    with pytest.raises(ValueError, match=r'_caption\.json has 1 entries for the 3'):
        list(iter_captioned_images(write(names, 'train_index.json')))
    with pytest.raises(FileNotFoundError, match=r'val_caption\.json'):
        list(iter_captioned_images(write(names, 'val_index.json')))
    with pytest.raises(ValueError, match=r'list of texts; .*called \*_index\.json'):
        list(iter_captioned_images(write(names, 'names.json')))


def test_missing_captions_and_those_that_are_no_text_are_named(tmp_path):
    for name in ('none.json', 'none.jsonl'):
        with pytest.raises(FileNotFoundError, match=f'no such file: .*{name}'):
            list(iter_captioned_images(tmp_path / name))
    (tmp_path / 'c.jsonl').write_bytes(b'{"image": "a"}\n\xff\xfe\xff')
    with pytest.raises(ValueError, match=r'c\.jsonl: line 2 is not valid JSON'):
        list(iter_captioned_images(tmp_path / 'c.jsonl'))
