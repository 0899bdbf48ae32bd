import json
import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools/cmpl/parse_captions.py'


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the tool in this process and folder; returns exit code and what it says."""
    captions = [{'image': '7.jpg', 'caption': 'A dog on a couch can sleep.'}]
    (tmp_path / 'captions.json').write_text(json.dumps(captions))
    (tmp_path / 'vocabulary.txt').write_text('dog\nsofa|couch\ncan\n')

    def run_tool(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        said = capsys.readouterr()
        return stop.value.code, said.out + said.err

    return run_tool


COMMON = ('captions.json', '--vocab', 'vocabulary.txt', '--out', 'words.json')


@pytest.mark.parametrize(
    ('options', 'names', 'words'),
    [
        ((), ['dog', 'sofa', 'can'], {'dog': 'dog', 'couch': 'sofa'}),
        (
            ('--class-names', 'coco65'),
            ['dog', 'couch', 'can'],
            {'dog': 'dog', 'couch': 'couch'},
        ),
        (
            ('--mode', 'parity'),
            ['dog', 'sofa', 'can'],
            {'dog': 'dog', 'couch': 'sofa', 'can': 'can'},
        ),
    ],
)
def test_words_of_captions(run, tmp_path, options, names, words):
    code, text = run(*COMMON, *options)
    assert code == 0
    assert text.startswith(f'words.json: 1 of 1 images with words, {len(words)} diff')
    content = json.loads((tmp_path / 'words.json').read_text())
    assert content['vocabulary'] == names
    assert content['words'] == [
        {'image_id': 7, 'word': word, 'name': name} for word, name in words.items()
    ]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--vocab', 'nowhere'), 'error: no such vocabulary: nowhere'),
        (('--mode', 'parity', '--class-names', 'voc'), "error: mode 'parity' keeps"),
        (('--mode', 'exact'), "invalid choice: 'exact'"),
    ],
)
def test_mistakes_end_in_one_line(run, tmp_path, options, message):
    code, text = run(*COMMON, *options)
    assert code == 2
    assert message in text
    assert 'Traceback' not in text
    assert not (tmp_path / 'words.json').exists()


@pytest.mark.parametrize('option', ['--vocab', '--class-names'])
def test_files_of_names_are_not_overwritten(run, tmp_path, option):
    names = tmp_path / 'names.json'
    names.write_text('["dog"]')
    code, text = run(*COMMON, option, 'names.json', '--out', 'names.json')
    assert (code, 'error: names.json is read by this job' in text) == (2, True)
    assert names.read_text() == '["dog"]'
