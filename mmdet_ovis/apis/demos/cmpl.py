"""Cross-modal pseudo labels, from nothing to a table: behind ``make demo-cmpl``."""

from __future__ import annotations

from collections.abc import Callable

from .cmpl_stages import VARIANTS, CmplDemoOptions, cmpl_demo_stages
from .word_demo import run_word_demo


def run_cmpl_demo(options: CmplDemoOptions, report: Callable[[str], None]) -> dict:
    """Run the chain, print its table, draw pictures and write ``summary.json``.

    Args:
        options (CmplDemoOptions): Sizes and places.
        report (Callable[[str], None]): Receives the lines for the user.

    Returns:
        dict: ``seed``, each variant by name with its metrics, and ``seconds`` by stage.
    """
    return run_word_demo(options, cmpl_demo_stages(options), VARIANTS, report)
