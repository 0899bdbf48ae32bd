"""Configuration of Sphinx: the pages are Markdown, read by MyST."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

project = 'mmdet_ovis'
author = 'mmdet_ovis contributors'
copyright = f'2026, {author}'
# Executed alone: building the documentation needs neither torch nor mmdet.
release = runpy.run_path(str(ROOT / 'mmdet_ovis' / 'version.py'))['__version__']
version = release

extensions = ['myst_parser']
source_suffix = {'.md': 'markdown'}
exclude_patterns = ['_build']
nitpicky = True

myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3

html_theme = 'furo'
html_title = f'{project} {release}'
