import json
import runpy
import sys
from pathlib import Path

import pytest

from mmdet_ovis.datasets.holdout import split_by_image

TOOL = Path(__file__).resolve().parents[2] / 'tools/dataset_converters/split_coco.py'


def _dataset(n):
    return {
        'info': {'year': 1},
        'images': [{'id': i} for i in reversed(range(n))],
        'annotations': [
            {'id': i, 'image_id': i % n, 'category_id': 1} for i in range(3 * n)
        ],
        'categories': [{'id': 1, 'name': 'x'}],
    }


def test_every_image_and_annotation_goes_to_one_part():
    dataset = _dataset(11)
    train, val = split_by_image(dataset)
    assert [i['id'] for i in val['images']] == [4, 9]
    assert len(train['images']) == 9
    assert len(train['annotations']) + len(val['annotations']) == 33
    assert {a['image_id'] for a in val['annotations']} == {4, 9}
    assert train['categories'] == val['categories'] == dataset['categories']


@pytest.mark.parametrize(('n', 'every'), [(3, 5), (10, 1)])
def test_impossible_splits_are_refused(n, every):
    with pytest.raises(ValueError, match=r'held out|hold out'):
        split_by_image(_dataset(n), every)


def test_command_line_writes_both_parts(tmp_path, monkeypatch, capsys):
    whole, train, val = (tmp_path / f'{name}.json' for name in ('all', 'train', 'val'))
    whole.write_text(json.dumps(_dataset(10)))
    command = [TOOL, whole, '--out-train', train, '--out-val', val, '--every', 2]
    monkeypatch.setattr(sys, 'argv', list(map(str, command)))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == 0
    parts = [json.loads(path.read_text()) for path in (train, val)]
    assert tuple(parts) == split_by_image(_dataset(10), 2)
    assert f'{val}: 5 images' in capsys.readouterr().out
