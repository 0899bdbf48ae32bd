import json

import pytest

from mmdet_ovis.datasets.converters import convert_lvis

SQUARE = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]


def _image(image_id, folder):
    return {
        'id': image_id,
        'height': 32,
        'width': 40,
        'coco_url': f'http://images.cocodataset.org/{folder}/{image_id:012d}.jpg',
        'flickr_url': 'http://farm9.staticflickr.com/x.jpg',
        'license': 4,
        'date_captured': '2013-11-17 13:58:55',
        'neg_category_ids': [1],
        'not_exhaustive_category_ids': [3],
    }


def _annotation(ann_id, image_id, category_id):
    return {
        'id': ann_id,
        'image_id': image_id,
        'category_id': category_id,
        'segmentation': SQUARE,
        'bbox': [2.0, 2.0, 10.0, 10.0],
        'area': 100.0,
    }


def _category(category_id, name, synset):
    return {
        'id': category_id,
        'name': name,
        'synset': synset,
        'synonyms': [name],
        'def': 'a thing',
        'frequency': 'f',
        'image_count': 2,
        'instance_count': 3,
    }


@pytest.fixture
def lvis(tmp_path):
    """The form of lvis_v1_val.json: no file_name, no iscrowd, no supercategory."""
    path = tmp_path / 'lvis_v1_val.json'
    content = {
        'info': {'description': 'LVIS'},
        'licenses': [],
        'images': [_image(397133, 'val2017'), _image(391895, 'train2017')],
        'annotations': [
            _annotation(1, 397133, 2),
            _annotation(2, 397133, 3),
            _annotation(3, 391895, 3),
        ],
        'categories': [
            _category(1, 'aerosol_can', 'aerosol.n.02'),
            _category(2, 'bus_(vehicle)', 'bus.n.01'),
            _category(3, 'zucchini', 'zucchini.n.02'),
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_images_are_found_in_the_folders_of_coco(lvis, tmp_path, load):
    summary = convert_lvis(lvis, tmp_path / 'out.json')
    content = load(tmp_path / 'out.json')
    assert [image['file_name'] for image in content['images']] == [
        'val2017/000000397133.jpg',
        'train2017/000000391895.jpg',
    ]
    assert {ann['iscrowd'] for ann in content['annotations']} == {0}
    assert {c['supercategory'] for c in content['categories']} == {'object'}
    assert (summary.n_images, summary.n_annotations, summary.n_categories) == (2, 3, 3)
    assert not summary.left_out


def test_what_only_lvis_has_stays(lvis, tmp_path):
    convert_lvis(lvis, tmp_path / 'out.json')
    before, after = (json.loads(p.read_text()) for p in (lvis, tmp_path / 'out.json'))
    for key in ('images', 'annotations', 'categories'):
        for old, new in zip(before[key], after[key], strict=True):
            assert old.items() <= new.items()


@pytest.mark.parametrize(
    ('split', 'names', 'kept'),
    [
        ('not:lvis_coco', ['aerosol_can', 'zucchini'], [2, 3]),
        ('lvis_noncoco', ['aerosol_can', 'zucchini'], [2, 3]),
        (['bus_(vehicle)'], ['bus_(vehicle)'], [1]),
        ([2, 'aerosol_can'], ['aerosol_can', 'bus_(vehicle)'], [1]),
    ],
)
def test_a_split_keeps_its_categories_and_all_images(
    lvis, tmp_path, load, split, names, kept
):
    summary = convert_lvis(lvis, tmp_path / 'out.json', split)
    content = load(tmp_path / 'out.json')
    assert [category['name'] for category in content['categories']] == names
    assert [ann['id'] for ann in content['annotations']] == kept
    assert len(content['images']) == 2
    assert summary.left_out.total == 3 - len(kept)
    assert f'{3 - len(kept)} x annotation of another split' in str(summary)


def test_unknown_splits_are_named_with_the_file(lvis, tmp_path):
    with pytest.raises(ValueError, match=r"lvis_v1_val\.json: split 'lvis_coco' holds"):
        convert_lvis(lvis, tmp_path / 'out.json', 'lvis_coco')
    assert not (tmp_path / 'out.json').exists()


def test_other_versions_of_lvis_are_refused(lvis, tmp_path):
    content = json.loads(lvis.read_text())
    del content['images'][1]['coco_url']
    lvis.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"json: images\[1\]: key 'coco_url' is None"):
        convert_lvis(lvis, tmp_path / 'out.json')


def test_the_input_is_not_overwritten(lvis):
    before = lvis.read_bytes()
    with pytest.raises(ValueError, match='choose another output'):
        convert_lvis(lvis, lvis.parent / '.' / lvis.name)
    assert lvis.read_bytes() == before


@pytest.mark.parametrize(
    ('words', 'names'),
    [
        (['lvis_noncoco'], ['aerosol_can', 'zucchini']),
        (['2', 'zucchini'], ['bus_(vehicle)', 'zucchini']),
        (['3'], ['zucchini']),
    ],
)
def test_command_line(lvis, tmp_path, run, load, words, names):
    out = tmp_path / 'out.json'
    code, printed = run('lvis_to_coco.py', lvis, '--out', out, '--split', *words)
    assert code == 0
    assert f'{out}: 2 images' in printed
    assert [c['name'] for c in load(out)['categories']] == names
    code, printed = run('lvis_to_coco.py', 'nowhere.json', '--out', out)
    assert code == 2
    assert 'error: no such file: nowhere.json' in printed
