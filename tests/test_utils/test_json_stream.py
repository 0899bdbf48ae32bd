"""JSON piece by piece: the same values as json.loads, wherever the text is cut."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ovis.utils.io import read_json
from mmdet_ovis.utils.json_stream import JsonStream, is_json_object, open_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
CHUNKS = st.integers(1, 40)
INDENTS = st.sampled_from([None, 0, 2])


def walk(text: str, chunk: int) -> object:
    """Read a text through the stream, lists and objects piece by piece."""
    stream = JsonStream(io.StringIO(text), 'x.json', chunk)
    if stream.kind is list:
        value: object = list(stream.elements())
    elif stream.kind is dict:
        value = {
            key: list(stream.elements()) if stream.kind is list else stream.value()
            for key in stream.members()
        }
    else:
        value = stream.value()
    stream.end()
    return value


@given(VALUES, CHUNKS, INDENTS, st.booleans())
def test_values_are_those_of_json(value, chunk, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert walk(f' {text}\n', chunk) == value


@given(st.lists(VALUES), CHUNKS, st.data())
def test_a_truncated_text_is_always_refused(values, chunk, data):
    text = json.dumps(values)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match=r'x\.json is not valid JSON'):
        walk(text[:end], chunk)


@given(st.text('[]{},:"1-.e\\un \n', max_size=12), CHUNKS)
def test_what_json_refuses_is_refused(text, chunk):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match='not valid JSON'):
            walk(text, chunk)
    else:
        try:
            assert walk(text, chunk) == expected
        except ValueError as error:
            assert 'occurs twice' in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    'text',
    ['[1, 2', '[1 2]', '[1,]', '[[1]}', '[\n1,\n  x]', '{"a" 1}', '{1: 2}', '[1]]', ''],
)
@pytest.mark.parametrize('chunk', [1, 1 << 20])
def test_errors_name_the_same_place_as_for_whole_files(tmp_path, text, chunk):
    path = tmp_path / 'x.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='line') as whole:
        read_json(path)
    with pytest.raises(ValueError, match='line') as streamed:
        walk(text, chunk)
    place = re.search(r'at line \d+, column \d+', str(whole.value))[0]
    assert place in str(streamed.value)


@pytest.mark.parametrize(
    ('text', 'is_cut'),
    [('[1, 2', True), ('["a", "b', True), ('["a', True), ('[1 2]', False), ('', True)],
)
def test_a_file_that_is_cut_off_is_called_so(text, is_cut):
    with pytest.raises(ValueError, match='not valid JSON') as error:
        walk(text, 100)
    assert ('is the file truncated?' in str(error.value)) == is_cut


def test_a_mistake_is_found_before_the_file_is_read_to_its_end():
    class Endless(io.StringIO):
        def read(self, size=-1):
            assert self.tell() < 10**4, 'reads on after the mistake'
            return super().read(size)

    text = '[{"a": 1}, {"a" 2}, ' + '{"a": 3}, ' * 10**5
    stream = JsonStream(Endless(text), 'x.json', chunk=100)
    with pytest.raises(ValueError, match=r"Expecting ':' delimiter at line 1, column"):
        list(stream.elements())


def test_a_key_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match=r"Key 'a' occurs twice at line 1, column 10"):
        walk('{"a": 1, "a": 2}', 100)


def test_values_can_be_skipped():
    stream = JsonStream(io.StringIO('{"a": [[1], 2], "b": {"c": []}, "d": 4}'), chunk=3)
    for key in stream.members():
        if key == 'd':
            assert stream.value() == 4
        else:
            stream.skip()
    stream.end()


def test_nesting_without_end_is_an_error():
    with pytest.raises(ValueError, match='Nested too deeply'):
        walk('[' * 10**6, 1 << 20)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file: .*gone\.json'):
        open_json(tmp_path / 'gone.json').__enter__()
    with pytest.raises(ValueError, match='is a folder'):
        open_json(tmp_path).__enter__()
    binary = tmp_path / 'binary.json'
    binary.write_bytes(b'["\xff\xfe"]')
    with (
        open_json(binary) as stream,
        pytest.raises(ValueError, match=r'binary\.json is not a JSON text file'),
    ):
        stream.value()


def test_objects_are_told_from_lists(tmp_path):
    for name, text, expected in (
        ('a.json', ' {"images": []', True),  # no more is read
        ('b.JSON', '[{}]', False),
        ('c.json', '3', False),
        ('d.jsonl', '{}', False),  # an entry a line
    ):
        (tmp_path / name).write_text(text)
        assert is_json_object(tmp_path / name) is expected
    with pytest.raises(FileNotFoundError, match=r'e\.json'):
        is_json_object(tmp_path / 'e.json')
    (tmp_path / 'e.json').write_text('')
    with pytest.raises(ValueError, match=r'e\.json is not valid JSON'):
        is_json_object(tmp_path / 'e.json')
