import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_ovis.language.embedding_bank import TextEmbeddingBank

TOOL = Path(__file__).resolve().parents[2] / 'tools/cmpl/construct_coco_annotations.py'
CONTENT = {
    'images': [{'id': 1, 'file_name': 'a.jpg', 'height': 8, 'width': 8}],
    'annotations': [
        {'id': i, 'image_id': 1, 'category_id': i, 'bbox': [0, 0, 4, 4], 'area': 16}
        for i in (1, 2)
    ],
    'categories': [{'id': 1, 'name': 'disc'}, {'id': 2, 'name': 'gear'}],
}


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the tool in this process and folder; returns exit code and what it says."""
    for name in ('train', 'val'):
        (tmp_path / f'{name}.json').write_text(json.dumps(CONTENT))
    (tmp_path / 'base.txt').write_text('disc\n')
    (tmp_path / 'novel.txt').write_text('gear\n')
    TextEmbeddingBank(('gear', 'disc'), np.eye(2)).save(tmp_path / 'bank.npz')

    def run_tool(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        said = capsys.readouterr()
        return stop.value.code, said.out + said.err

    return run_tool


GROUPS = ('--base', 'base.txt', '--novel', 'novel.txt', '--out-dir', 'out')


def test_files_of_all_splits(run, tmp_path):
    code, text = run(
        'train.json', 'val.json', '--embeddings', 'bank.npz', '--seen-unseen', *GROUPS
    )
    assert code == 0
    assert 'out/train_seen.json: 1 images, 1 annotations, categories: 1' in text
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        f'{part}_{split}.json'
        for part in ('train', 'val')
        for split in ('all', 'seen', 'unseen')
    ]
    written = json.loads((tmp_path / 'out/val_all.json').read_text())
    assert [(c['split'], c['embedding']) for c in written['categories']] == [
        ('seen', {'BertEmb': [0.0, 1.0]}),
        ('unseen', {'BertEmb': [1.0, 0.0]}),
    ]


def test_mistakes_end_in_one_line(run, tmp_path):
    code, text = run('train.json', '--embeddings', 'nowhere.npz', *GROUPS)
    assert (code, 'error: no such text embedding bank' in text) == (2, True)
    TextEmbeddingBank(('disc',), np.eye(1)).save(tmp_path / 'bank.npz')
    code, text = run('train.json', '--embeddings', 'bank.npz', *GROUPS)
    assert (code, 'train.json: the text embedding bank has no vec' in text) == (2, True)
    assert 'Traceback' not in text
    assert not (tmp_path / 'out').exists()


def test_files_of_one_name_are_refused(run, tmp_path):
    """The results of the second would replace those of the first."""
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/train.json').write_text(json.dumps(CONTENT))
    code, text = run(
        'train.json', 'other/train.json', '--embeddings', 'bank.npz', *GROUPS
    )
    assert code == 2
    assert 'error: the results of train.json and other/train.json would have' in text
    assert not (tmp_path / 'out').exists()
