import json
import tracemalloc

import pytest
from mmdet.datasets import CocoDataset

from mmdet_ovis.language.vocabularies import PRESETS, load_vocabulary, read_vocabulary
from mmdet_ovis.structures.class_splits import (
    COCO_OV_BASE_CLASSES,
    COCO_OV_NOVEL_CLASSES,
)

SIZES = {
    'coco80': 80, 'coco65': 65, 'coco_base': 48, 'coco_novel': 17, 'lvis': 1203,
    'objects365': 365, 'openimages': 601, 'voc': 20,
}  # fmt: skip


def test_presets_have_their_sizes():
    assert {name: len(load_vocabulary(name)) for name in PRESETS} == SIZES


def test_coco65_is_base_and_novel_in_the_order_of_coco():
    names = load_vocabulary('coco65').names
    assert set(names) == {*COCO_OV_BASE_CLASSES, *COCO_OV_NOVEL_CLASSES}
    in_order = [name for name in CocoDataset.METAINFO['classes'] if name in names]
    assert list(names) == in_order


def test_text_files(tmp_path):
    path = tmp_path / 'words.txt'
    path.write_text('\ufeff# my words\ndog\n\ntraffic cone | cone\n  st. bernard\n')
    vocabulary = load_vocabulary(path)
    assert vocabulary.names == ('dog', 'traffic cone', 'st. bernard')
    assert vocabulary.forms(1) == ('traffic cone', 'cone')


def write_json(folder, content):
    path = folder / 'words.json'
    path.write_text(json.dumps(content))
    return path


def test_json_lists(tmp_path):
    assert load_vocabulary(write_json(tmp_path, ['dog', 'cat'])).names == ('dog', 'cat')
    vocabulary = load_vocabulary(write_json(tmp_path, ['dog', 'couch | sofa']))
    assert vocabulary.forms(1) == ('couch', 'sofa')
    with pytest.raises(ValueError, match=r'words\.json: name 1 holds no name'):
        load_vocabulary(write_json(tmp_path, ['dog', '|']))


def test_lists_of_configs():
    vocabulary = load_vocabulary(['dog', 'couch|sofa'])
    assert vocabulary.names == ('dog', 'couch')
    assert vocabulary.forms(1) == ('couch', 'sofa')


def test_json_of_forms(tmp_path):
    """As Mask-free OVIS has it: forms may hold the name or not."""
    content = {
        'airplane': ['airplane', 'plane'],
        'couch': ['sofa'],
        'categories': ['x'],
    }
    vocabulary = read_vocabulary(write_json(tmp_path, content))
    assert vocabulary.names == ('airplane', 'couch', 'categories')
    assert [vocabulary.forms(i) for i in range(2)] == [
        ('airplane', 'plane'),
        ('couch', 'sofa'),
    ]


def test_annotation_files(tmp_path):
    """Of LVIS, with synonyms, or of COCO, without."""
    categories = [
        {'id': 3, 'name': 'sofa', 'synonyms': ['sofa', 'couch', 'lounge']},
        {'id': 1, 'name': 'dog'},
    ]
    vocabulary = read_vocabulary(write_json(tmp_path, {'categories': categories}))
    assert vocabulary.names == ('sofa', 'dog')
    assert vocabulary.forms(0) == ('sofa', 'couch', 'lounge')


def test_annotations_are_passed_over(tmp_path):
    """Those of LVIS take a gigabyte, its categories a thousandth of that."""
    annotation = {'id': 1, 'segmentation': [list(range(60))], 'bbox': [0, 0, 9, 9]}
    text = json.dumps(annotation)
    path = tmp_path / 'lvis.json'
    many = ', '.join([text] * 20_000)
    categories = json.dumps([{'id': 3, 'name': 'dog', 'synonyms': ['dog', 'pup']}])
    path.write_text(f'{{"annotations": [{many}], "categories": {categories}}}')
    size = path.stat().st_size
    del many
    tracemalloc.start()
    vocabulary = read_vocabulary(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert vocabulary.forms(0) == ('dog', 'pup')
    assert peak < size


def test_files_of_words(tmp_path):
    """The names that the words of captions stand for, unless these are forms."""
    content = {'vocabulary': ['couch', 'dog'], 'words': [{'image_id': 1}], 'info': {}}
    path = write_json(tmp_path, content)
    assert read_vocabulary(path).names == ('couch', 'dog')
    forms = {'vocabulary': ['lexicon'], 'words': ['term']}
    assert read_vocabulary(write_json(tmp_path, forms)).names == tuple(forms)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], r'words\.json: a vocabulary needs at least one name'),
        (['dog', 3], r'words\.json: name 1 is not a text: 3'),
        (['dog', ' '], r"words\.json: name 1 is not a text: ' '"),
        ('dog', r'words\.json is not a vocabulary: the top level is a str'),
        ({'dog': 'puppy'}, r"words\.json: the forms of 'dog' are not a list"),
        ({'dog': [1]}, r"form of 'dog', number 0 is not a text: 1"),
        ({'categories': [{'id': 1}]}, r'categories\[0\]\.name 0 is not a text: None'),
        (
            {'categories': [{'name': 'dog', 'synonyms': 'x'}]},
            r'words\.json: categories\[0\]\.synonyms is not a list',
        ),
        (
            {'categories': [{'name': 'dog', 'synonyms': [2]}]},
            r'categories\[0\], synonym 0 is not a text: 2',
        ),
    ],
)
def test_broken_json_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_vocabulary(write_json(tmp_path, content))


def test_other_mistakes_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such vocabulary: coco81; name a'):
        load_vocabulary('coco81')
    with pytest.raises(FileNotFoundError, match=r'no such file: .*nowhere\.txt'):
        read_vocabulary(tmp_path / 'nowhere.txt')
    (tmp_path / 'words.csv').write_text('dog')
    with pytest.raises(ValueError, match=r'words\.csv: a vocabulary is a \.txt or a'):
        load_vocabulary(tmp_path / 'words.csv')
    (tmp_path / 'words.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match=r'words\.txt is not a text file'):
        load_vocabulary(tmp_path / 'words.txt')
    (tmp_path / 'empty.txt').write_text('# nothing\n')
    with pytest.raises(ValueError, match=r'empty\.txt: a vocabulary needs'):
        load_vocabulary(tmp_path / 'empty.txt')
    (tmp_path / 'bars.txt').write_text('dog\n|\n')
    with pytest.raises(ValueError, match=r'bars\.txt: line 2 holds no name'):
        load_vocabulary(tmp_path / 'bars.txt')
