"""The rules of the house that no reviewer should have to watch.

Imports only go down the floors; they are read from the source, so an import inside a
function or under ``TYPE_CHECKING`` counts as well.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('mmdet_ovis', 'pa_lib')
MAX_LINES = 600

FLOORS = (
    ('tools',),
    ('apis',),
    ('mmdet_ovis',),  # the package itself: its __init__ registers the next floor
    ('models', 'pseudo_labels', 'datasets', 'evaluation', 'engine'),
    (
        'pa_lib',
        'structures',
        'language',
        'vlm',
        'visualization',
        'utils',
        'version',
        '_compat',
    ),
)
EXCEPTIONS = {
    ('datasets', 'pseudo_labels'),
    ('language', 'structures'),
    ('language', 'utils'),
    ('vlm', 'structures'),
    ('vlm', 'utils'),
}
INDEPENDENT = ('pa_lib', 'structures')
TORCH_STACK = {'torch', 'torchvision', 'mmcv', 'mmdet', 'mmengine', 'mmdet_ovis'}

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def module_name(path: Path, root: Path) -> str:
    """Dotted name; of a package, with ``.__init__`` (relative imports need it)."""
    return '.'.join(path.relative_to(root).with_suffix('').parts)


def imported_modules(source: str, module: str) -> set[str]:
    """Absolute names of all that ``source`` imports, ``from a import b`` as ``a.b``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split('.')[: -node.level] if node.level else []
            base = '.'.join(parents + ([node.module] if node.module else []))
            found.update(f'{base}.{alias.name}' for alias in node.names)
    return found


def room_of(module: str) -> str | None:
    """Room that a module belongs to, None where it is not ours."""
    top, _, rest = module.partition('.')
    if top in ('pa_lib', 'tools'):
        return top
    if top != 'mmdet_ovis':
        return None
    child = rest.partition('.')[0]
    return child if child in FLOOR_OF else 'mmdet_ovis'


def is_allowed(room: str, target: str) -> bool:
    if room == target or (room, target) in EXCEPTIONS:
        return True
    return room not in INDEPENDENT and FLOOR_OF[target] > FLOOR_OF[room]


def forbidden_imports(root: Path) -> list[str]:
    """Every import below ``root`` that does not go down, as ``file: room -> room``."""
    broken = []
    for path in source_files(root, ('tools', *PACKAGES)):
        module = module_name(path, root)
        room = room_of(module)
        for target in imported_modules(path.read_text(encoding='utf-8'), module):
            target_room = room_of(target)
            if target_room is not None and not is_allowed(room, target_room):
                broken.append(f'{path.relative_to(root)}: {room} -> {target_room}')
    return sorted(set(broken))


def source_files(root: Path, folders: tuple[str, ...], suffix: str = '.py'):
    return sorted(p for folder in folders for p in (root / folder).rglob(f'*{suffix}'))


def test_imports_go_down():
    assert forbidden_imports(ROOT) == []


def test_every_room_stands_on_a_floor():
    folders = {p.parent.name for p in (ROOT / 'mmdet_ovis').glob('*/__init__.py')}
    assert folders <= set(FLOOR_OF)


@pytest.mark.parametrize(
    ('path', 'source', 'broken'),
    [
        ('models/a.py', 'from ..datasets import x', 'models -> datasets'),
        ('models/heads/a.py', 'from ...engine.b import x', 'models -> engine'),
        ('models/a.py', 'import mmdet_ovis', 'models -> mmdet_ovis'),
        ('models/a.py', 'from mmdet_ovis import datasets', 'models -> datasets'),
        ('pseudo_labels/a.py', 'from ..datasets import x', 'pseudo_labels -> datasets'),
        ('utils/a.py', 'def f():\n    import pa_lib.grouping', 'utils -> pa_lib'),
        ('structures/a.py', 'from ..utils import x', 'structures -> utils'),
        ('utils/__init__.py', 'from ..models import x', 'utils -> models'),
        ('vlm/a.py', 'from ..language.captions import x', 'vlm -> language'),
        ('language/a.py', 'from ..vlm import x', 'language -> vlm'),
        ('utils/a.py', 'from ..structures import x', 'utils -> structures'),
        ('datasets/a.py', 'from ..pseudo_labels.store import x', None),
        (
            'language/a.py',
            'from ..structures.a import x\nfrom ..utils.io import y',
            None,
        ),
        ('vlm/a.py', 'from ..structures.phrase import x', None),
        ('models/a.py', 'from .b import x\nfrom ..utils.io import y', None),
        ('models/__init__.py', 'from . import losses', None),
        ('apis/a.py', 'from .. import models\nimport mmdet_ovis', None),
        ('models/a.py', 'import torch\nfrom mmdet.datasets import x', None),
    ],
)
def test_forbidden_imports_are_found(tmp_path, path, source, broken):
    file = tmp_path / 'mmdet_ovis' / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    expected = [] if broken is None else [f'mmdet_ovis/{path}: {broken}']
    assert forbidden_imports(tmp_path) == expected


def test_pa_lib_does_without_torch_and_mmdet():
    for path in source_files(ROOT, ('pa_lib',)):
        names = imported_modules(
            path.read_text(encoding='utf-8'), module_name(path, ROOT)
        )
        assert not {name.partition('.')[0] for name in names} & TORCH_STACK, path
    for path in source_files(ROOT, ('pa_lib',), '.pyx'):
        lines = re.findall(
            r'^\s*(?:from|c?import)\s+(\w+)', path.read_text(encoding='utf-8'), re.M
        )
        assert not set(lines) & TORCH_STACK, path


def test_modules_are_short():
    sizes = {
        path.relative_to(ROOT): len(path.read_text(encoding='utf-8').splitlines())
        for suffix in ('.py', '.pyx')
        for path in source_files(ROOT, PACKAGES, suffix)
    }
    assert sizes
    assert {path: n for path, n in sizes.items() if n > MAX_LINES} == {}
