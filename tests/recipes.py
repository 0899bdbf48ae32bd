"""Commands on the pages of the documentation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LAUNCHED = {  # tool, and where the number of GPUs stands
    'tools/dist_train.sh': ('tools/train.py', 1),
    'tools/dist_test.sh': ('tools/test.py', 2),
}


def read_page(name: str) -> str:
    """Text of a file such as ``docs/ovis.md``."""
    return (ROOT / name).read_text(encoding='utf-8')


def section(page: str, title: str) -> str:
    """What stands between a heading of the second level and the next one."""
    parts = re.split(r'^## (.*)\n', page, flags=re.M)
    titles, texts = parts[1::2], parts[2::2]
    assert titles.count(title) == 1, f'{title!r} is not one of {titles}'
    return texts[titles.index(title)]


def commands(page: str) -> list[list[str]]:
    """Words of each command in the bash blocks; lines of comments are left out."""
    blocks = re.findall(r'```bash\n(.*?)```', page, re.S)
    lines = re.sub(r'^ *#.*\n', '', '\n'.join(blocks), flags=re.M)
    found = [shlex.split(line) for line in lines.replace('\\\n', ' ').splitlines()]
    return [command for command in found if command]


def option(command: list[str], name: str) -> str:
    """The value behind an option."""
    return command[command.index(name) + 1]


def without_launcher(command: list[str]) -> list[str]:
    """Tool and arguments as one process gets them, also of ``bash tools/dist_*.sh``."""
    runner, tool, *arguments = command
    if runner == 'bash':
        tool, place = _LAUNCHED[tool]
        assert arguments.pop(place).isdecimal()
        return [tool, *arguments]
    assert runner == 'python', f'{runner} runs no tool'
    return [tool, *arguments]
