"""One file an image: what is written, and what is read back."""

from __future__ import annotations

import json

import pytest

from mmdet_ovis.pseudo_labels.export import export_per_image, read_per_image


@pytest.fixture
def masks(make_annotation, write_json):
    """Image 7 with two masks, the better one last; image 9 with one."""
    return write_json(
        'masks.json',
        [[make_annotation(7, 1), make_annotation(7, 0)], [], [make_annotation(9, 0)]],
    )


def test_each_image_has_its_file(masks, tmp_path, make_annotation):
    assert export_per_image(masks, tmp_path / 'anns') == 2
    files = {path.name for path in (tmp_path / 'anns').iterdir()}
    assert files == {'7.json', '9.json'}
    content = json.loads((tmp_path / 'anns' / '7.json').read_text())
    assert content == [make_annotation(7, 0), make_annotation(7, 1)]
    assert read_per_image(tmp_path / 'anns', 7) == content


def test_images_without_masks_get_an_empty_list(masks, tmp_path):
    assert export_per_image(masks, tmp_path / 'anns', [7, 8, 9]) == 3
    assert (tmp_path / 'anns' / '8.json').read_text() == '[]'
    assert read_per_image(tmp_path / 'anns', 8) == []


def test_files_of_an_earlier_export_are_not_passed_over(masks, tmp_path, log):
    export_per_image(masks, tmp_path / 'anns', [7, 8, 9])
    export_per_image(masks, tmp_path / 'anns')
    assert 'holds files of 1 other images' in log.text


def test_overlapping_lists_are_refused(tmp_path, write_json, make_annotation):
    lists = [[make_annotation(7, 0)], [make_annotation(7, 1)]]
    with pytest.raises(ValueError, match='image_id 7 was already read from'):
        export_per_image(write_json('m.json', lists), tmp_path / 'anns')


def test_masks_of_other_images_are_refused(masks, tmp_path):
    with pytest.raises(ValueError, match=r'masks\.json.*image_id 9 is not among the 2'):
        export_per_image(masks, tmp_path / 'anns', [7, 8])


def test_a_missing_file_is_an_image_without_masks(tmp_path):
    assert read_per_image(tmp_path, 3) == []
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*gone'):
        read_per_image(tmp_path / 'gone', 3)


def test_a_file_of_an_older_tool_is_read(tmp_path, write_json, make_annotation):
    old = make_annotation(7, 0)
    del old['iscrowd'], old['pseudo'], old['source']
    write_json('7.json', [make_annotation(7, 1), old])
    first, _ = read_per_image(tmp_path, 7)
    assert (first['rank'], first['source'], first['pseudo']) == (0, 'unknown', 1)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'annotations': []}, r'7\.json holds a dict; .*--per-image-dir'),
        ([{'image_id': 7}], r"7\.json\[0\]: key 'category_id' is missing"),
        ([[]], r'7\.json\[0\]: a pseudo annotation is a dict'),
    ],
)
def test_broken_files_are_named(tmp_path, write_json, content, message):
    write_json('7.json', content)
    with pytest.raises(ValueError, match=message):
        read_per_image(tmp_path, 7)


def test_truncated_and_renamed_files_are_named(tmp_path, write_json, make_annotation):
    write_json('8.json', [make_annotation(7, 0)])
    with pytest.raises(ValueError, match=r'8\.json\[0\].*image_id 7.*renamed'):
        read_per_image(tmp_path, 8)
    (tmp_path / '9.json').write_text('[{"image_id":')
    with pytest.raises(ValueError, match=r'9\.json is not valid JSON'):
        read_per_image(tmp_path, 9)
