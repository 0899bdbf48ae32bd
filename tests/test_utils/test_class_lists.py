"""Files with a class a line."""

import pytest

from mmdet_ovis.utils.class_lists import (
    file_or_split,
    read_class_list,
    write_class_list,
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'base.txt'
    write_class_list(path, ['traffic cone', 7, '/m/020lf'])
    assert read_class_list(path) == ['traffic cone', '7', '/m/020lf']
    path.write_text('# most\n\n dog  # animal\ncat')
    assert file_or_split(str(path)) == ['dog', 'cat']


def test_names_of_splits_are_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_or_split('ov_base') == 'ov_base'
    assert file_or_split(None) is None
    (tmp_path / 'ov_base').write_text('dog')
    assert file_or_split('ov_base') == ['dog']


def test_missing_and_broken_lists_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file: .*list\.txt'):
        file_or_split(str(tmp_path / 'list.txt'))
    (tmp_path / 'list.txt').write_text('# nothing\n')
    with pytest.raises(ValueError, match=r'list\.txt names no class'):
        read_class_list(tmp_path / 'list.txt')
    (tmp_path / 'list.txt').write_bytes(b'\xff\xfe\xfa')
    with pytest.raises(ValueError, match=r'list\.txt is not a text file'):
        read_class_list(tmp_path / 'list.txt')
