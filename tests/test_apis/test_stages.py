import sys

import pytest

from mmdet_ovis.apis.demos.stages import Stage, StageError, run_stages
from mmdet_ovis.utils.io import read_json


def _append(tmp_path, word, name=None, **options):
    code = f'open({str(tmp_path / "log.txt")!r}, "a").write("{word} ")'
    return Stage(name or word, f'write {word}', [sys.executable, '-c', code], **options)


def _written(tmp_path):
    return (tmp_path / 'log.txt').read_text().split()


def test_done_stages_are_left_out(tmp_path):
    lines = []
    stages = [_append(tmp_path, 'a'), _append(tmp_path, 'b')]
    run_stages(stages, tmp_path, lines.append)
    seconds = run_stages(stages, tmp_path, lines.append)
    assert _written(tmp_path) == ['a', 'b']
    assert set(seconds) == {'a', 'b'}
    assert 'done before' in lines[-1]


def test_what_follows_a_change_is_run_again(tmp_path):
    run_stages([_append(tmp_path, 'a'), _append(tmp_path, 'b')], tmp_path, str)
    changed = _append(tmp_path, 'A', name='a')
    run_stages([changed, _append(tmp_path, 'b')], tmp_path, str)
    assert _written(tmp_path) == ['a', 'b', 'A', 'b']
    run_stages([changed, _append(tmp_path, 'b', inputs='new')], tmp_path, str)
    assert _written(tmp_path)[4:] == ['b']


def test_output_of_another_command_is_removed(tmp_path):
    folder = tmp_path / 'out'
    run_stages([_append(tmp_path, 'a', output=folder)], tmp_path, str)
    folder.mkdir()
    (folder / 'old').touch()
    run_stages([_append(tmp_path, 'a', output=folder)], tmp_path, str)
    assert (folder / 'old').exists()
    run_stages([_append(tmp_path, 'b', name='a', output=folder)], tmp_path, str)
    assert not folder.exists()


def test_failure_shows_the_log_and_is_run_again(tmp_path):
    bad = Stage('bad', 'fail', [sys.executable, '-c', 'raise SystemExit("the cause")'])
    for _ in range(2):
        with pytest.raises(StageError, match='the cause'):
            run_stages([bad], tmp_path, str)
    assert read_json(tmp_path / 'stages' / 'bad.json')['done'] is False


def test_stages_of_a_tuple_run_side_by_side(tmp_path):
    """Each waits for a file that the other one writes."""
    code = (
        'import pathlib, sys, time\n'
        'mine, other = map(pathlib.Path, sys.argv[1:])\n'
        'mine.touch()\n'
        'for _ in range(600):\n'
        '    if other.exists(): break\n'
        '    time.sleep(0.05)\n'
        'else:\n'
        '    sys.exit("the other one does not run")\n'
    )
    a, b = str(tmp_path / 'a'), str(tmp_path / 'b')
    pair = (
        Stage('a', 'first', [sys.executable, '-c', code, a, b]),
        Stage('b', 'second', [sys.executable, '-c', code, b, a]),
    )
    assert set(run_stages([pair], tmp_path, str)) == {'a', 'b'}


def test_what_ended_well_beside_a_failure_is_kept(tmp_path):
    bad = Stage('bad', 'fail', [sys.executable, '-c', 'raise SystemExit(3)'])
    good = _append(tmp_path, 'good')
    for _ in range(2):
        with pytest.raises(StageError, match="stage 'bad' failed with code 3"):
            run_stages([(good, bad)], tmp_path, str)
    assert _written(tmp_path) == ['good']
