import json

import pytest

from mmdet_ovis.utils.coco import load_coco


def _write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_index_is_built_quietly(tmp_path, capsys):
    coco = load_coco(
        _write(
            tmp_path / 'a.json',
            {
                'images': [{'id': 1, 'height': 2, 'width': 3, 'file_name': 'x.jpg'}],
                'categories': [{'id': 7, 'name': 'dog'}],
                'annotations': [{'id': 1, 'image_id': 1, 'category_id': 7}],
            },
        )
    )
    assert coco.get_cat_ids(cat_names=['dog']) == [7]
    assert coco.cat_img_map[7] == [1]
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": [', 'not valid JSON'),
        ([], 'the top level is a list'),
        ({'images': [], 'annotations': []}, 'categories'),
        ({'images': [{}], 'annotations': [], 'categories': []}, "lacks the key 'id'"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    path = _write(tmp_path / 'bad.json', content)
    with pytest.raises(ValueError, match=message) as caught:
        load_coco(path)
    assert 'bad.json' in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        load_coco(tmp_path / 'none.json')
