"""Several runs of a demo side by side, whichever demo it is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...utils.io import read_json
from . import cmpl_tables, ggn_tables, ovis_tables
from .cmpl_stages import VARIANTS as CMPL_VARIANTS
from .ggn_methods import METHODS
from .ovis_stages import VARIANTS as OVIS_VARIANTS

_DEMOS = MappingProxyType(
    {
        'tools/demo.py': (ggn_tables, METHODS),
        'tools/demo_ovis.py': (ovis_tables, OVIS_VARIANTS),
        'tools/demo_cmpl.py': (cmpl_tables, CMPL_VARIANTS),
    }
)
"""By demo, the module of its tables, and what it may compare."""


def compare_runs(
    paths: Sequence[str | os.PathLike], keys: Sequence[str] | None = None
) -> str:
    """Format several runs of one demo as Markdown.

    Args:
        paths (Sequence[str | PathLike]): ``summary.json`` of each.
        keys (Sequence[str], optional): Metrics that are shown. Defaults to those of
            the demo.

    Returns:
        str: The table, and what is gained.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is of no demo, they are of different ones, two have one seed,
            or one lacks a metric.
    """
    runs = [read_json(path) for path in paths]
    demos = {demo_of(run, path) for run, path in zip(runs, paths, strict=True)}
    if len(demos) != 1:
        raise ValueError(f'the runs are of {" and ".join(sorted(demos)) or "no demo"}')
    tables, _ = _DEMOS[demos.pop()]
    return tables.seeds_table(runs, keys or tables.TABLE_KEYS)


def demo_of(run: Any, path: str | os.PathLike) -> str:
    """Name the tool that wrote a summary.

    Args:
        run (Any): The content.
        path (str | PathLike): The file, for the message.

    Raises:
        ValueError: If it was none of the demos.
    """
    if isinstance(run, Mapping) and 'seed' in run:
        for demo, (_, names) in _DEMOS.items():
            if names.keys() & run.keys():
                return demo
    raise ValueError(
        f'{path} is no summary.json of {", ".join(_DEMOS)}: it has no seed, or nothing '
        'that one of them compares'
    )
