"""The examples in the docstrings of `mmdet_ovis` run; `pa_lib` sees to its own."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for path in (ROOT / 'mmdet_ovis').rglob('*.py')
    if '>>> ' in path.read_text(encoding='utf-8')
)


@pytest.mark.parametrize('name', MODULES)
def test_examples_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
