"""Mask-free OVIS from nothing to a table: the chain behind ``make demo-ovis``."""

from __future__ import annotations

from collections.abc import Callable

from .ovis_stages import VARIANTS, OvisDemoOptions, ovis_demo_stages
from .word_demo import run_word_demo


def run_ovis_demo(options: OvisDemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its tables, draw pictures and write ``summary.json``.

    Args:
        options (OvisDemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: ``seed``, ``words`` (pointing game and overlap of masks by word), each
        variant by name with its metrics, and ``seconds`` by stage.
    """
    stages = ovis_demo_stages(options)
    return run_word_demo(options, stages, VARIANTS, report, options.words_file)
