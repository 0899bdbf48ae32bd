"""Every tool explains itself and ends in one line when it is misused."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'tools').rglob('*.py')
    if not path.name.startswith('_')
)


def _run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_tools_explain_every_option():
    """One process for all: what takes time is the import of mmdet."""
    code = (
        'import contextlib, io, runpy, sys\n'
        f'for tool in {TOOLS!r}:\n'
        '    out = io.StringIO()\n'
        '    sys.argv = [tool, "--help"]\n'
        '    try:\n'
        '        with contextlib.redirect_stdout(out):\n'
        '            runpy.run_path(tool, run_name="__main__")\n'
        '    except SystemExit as stop:\n'
        '        assert stop.code == 0, tool\n'
        '    text = out.getvalue()\n'
        '    assert text.startswith("usage:"), tool\n'
        '    assert len(text.split("\\n\\n")) >= 3, tool + " lacks a description"\n'
    )
    result = _run('-c', code)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize(
    ('command', 'message'),
    [
        (
            ['tools/test.py', 'configs/openshapes/pa_train.py', 'nowhere.pth'],
            'no such checkpoint: nowhere.pth',
        ),
        (
            ['tools/train.py', 'configs/nowhere.py'],
            'no such config: configs/nowhere.py',
        ),
        (
            ['tools/image_demo.py', 'nowhere.jpg', '--pa', 'x.pth'],
            'no such image or folder: nowhere.jpg',
        ),
    ],
)
def test_mistakes_end_in_one_line(command, message):
    result = _run(*command)
    assert result.returncode == 2
    assert f'error: {message}' in result.stderr
    assert 'Traceback' not in result.stderr


def test_shell_tools_print_their_usage():
    for tool in ('dist_train.sh', 'dist_test.sh'):
        result = subprocess.run(
            ['bash', str(ROOT / 'tools' / tool)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 2
        assert f'bash tools/{tool} CONFIG' in result.stderr


def test_options_of_jobs_are_said_once():
    """Where they stand in a tool, they are added by what all jobs share."""
    for path in TOOLS:
        text = (ROOT / path).read_text()
        assert "'--max-broken'" not in text, path
        assert "'--num-shards'" not in text, path


def test_jobs_take_the_same_options():
    from mmdet_ovis.apis.extraction.command_line import add_job_options

    parser = argparse.ArgumentParser()
    add_job_options(parser)
    args = vars(parser.parse_args(['--out', 'a.json']))
    assert args == {
        'out': 'a.json',
        'limit': None,
        'overwrite': False,
        'max_broken': None,
        'workers': None,
        'device': None,
        'num_shards': 1,
        'shard_id': 0,
        'launcher': 'none',
        'chunk_size': 256,
    }
    text = parser.format_help()
    assert '0.05, and up to 10 images' in ' '.join(text.split())
