import json
import runpy
import sys
from pathlib import Path

import pytest

from mmdet_ovis.language.embedding_bank import TextEmbeddingBank

TOOL = Path(__file__).resolve().parents[2] / 'tools/ovis/prepare_text_embeddings.py'


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the tool in this process and folder; returns exit code and what it says."""

    def run_tool(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        said = capsys.readouterr()
        return stop.value.code, said.out + said.err

    return run_tool


def test_names_and_presets(run, tmp_path):
    hashed = ('--encoder', 'hash', '--model', 16, '--out', 'bank.npz')
    code, text = run('--vocab', 'coco65', *hashed)
    assert code == 0
    assert text.startswith('bank.npz: 65 names, vectors of 16 numbers by hash-16')
    code, text = run('--names', 'traffic cone. stool|bar stool', *hashed, '--append')
    assert code == 0
    assert text.startswith('bank.npz: 67 names')
    assert text.rstrip().endswith('3 texts encoded')
    assert TextEmbeddingBank.load(tmp_path / 'bank.npz').names[-1] == 'stool'


def test_annotation_files(run, tmp_path):
    (tmp_path / 'a.json').write_text(
        json.dumps({'images': [], 'annotations': [], 'categories': [{'name': 'dog'}]})
    )
    code, text = run(
        *('--coco-json', 'a.json', '--encoder', 'hash', '--norm', 'none'),
        *('--templates', 'single', '--out', 'a.npz', '--write-coco-json', 'b.json'),
    )
    assert (code, text.count('\n')) == (0, 2)
    (category,) = json.loads((tmp_path / 'b.json').read_text())['categories']
    assert len(category['embedding']['ClipEmb']) == 512
    code, text = run('--coco-json', 'b.json', '--import', '--out', 'c.npz')
    assert code == 0
    assert 'by unknown, templates unknown, normalization none' in text
    a, c = (TextEmbeddingBank.load(tmp_path / name) for name in ('a.npz', 'c.npz'))
    assert (a.embeddings == c.embeddings).all()


def test_names_and_words_of_captions(run, tmp_path):
    words = [{'image_id': 1, 'word': word, 'name': 'dog'} for word in ('puppy', 'Dog')]
    content = {'vocabulary': ['dog', 'couch'], 'words': words}
    (tmp_path / 'words.json').write_text(json.dumps(content))
    for option, names in (
        ('--vocab', ('dog', 'couch')),
        ('--words', ('dog', 'couch', 'puppy')),
    ):
        code, _ = run(option, 'words.json', '--encoder', 'hash', '--out', 'a.npz')
        assert code == 0
        assert TextEmbeddingBank.load(tmp_path / 'a.npz').names == names


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--vocab', 'coco66'), 'error: no such vocabulary: coco66'),
        (('--names', ' . '), 'error: a vocabulary needs at least one name'),
        (
            ('--names', 'dog', '--model', '/nowhere'),
            "error: cannot load the text encoder '/nowhere'",
        ),
        (('--names', 'dog', '--import'), 'need --coco-json'),
        (('--names', 'dog', '--vocab', 'voc'), 'not allowed with argument'),
        ((), 'one of the arguments --names --vocab --words --coco-json is required'),
    ],
)
def test_mistakes_end_in_one_line(run, tmp_path, arguments, message):
    code, text = run(*arguments, '--out', 'bank.npz')
    assert code == 2
    assert message in text
    assert 'Traceback' not in text
    assert not (tmp_path / 'bank.npz').exists()
