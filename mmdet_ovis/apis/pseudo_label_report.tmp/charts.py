"""Histograms of pseudo labels."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .pseudo_label_report_numbers import MaskTable

_BINS = 40
_WIDTH, _HEIGHT = 3.6, 2.8  # inches, of one histogram
_MAX_SOURCES = 6
"""More are drawn as one."""


def draw_histograms(table: MaskTable) -> bytes:
    """Draw scores, areas, masks an image and overlaps, stacked by source.

    Args:
        table (MaskTable): The masks.

    Returns:
        bytes: A PNG.
    """
    columns = [
        ('score', table.scores, _even_bins(table.scores)),
        ('area, share of the image', table.area_shares, _area_bins(table.area_shares)),
    ]
    if not np.isnan(table.gt_ious).all():
        columns.append(('gt_iou: best IoU with a seen object', table.gt_ious, _unit()))
    if not np.isnan(table.best_ious).all():
        columns.append(('best IoU with any object', table.best_ious, _unit()))
    number = len(columns) + 1
    width = 3 if number > 4 else 2
    rows = -(-number // width)
    figure = Figure(figsize=(_WIDTH * width, _HEIGHT * rows), layout='constrained')
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, width, squeeze=False).ravel())
    _draw_masks_per_image(axes[0], table.per_image_of_all)
    names = _main_sources(table.sources)
    for axis, (title, values, bins) in zip(axes[1:], columns, strict=False):
        _draw_column(axis, title, values, bins, table.sources, names)
    if table.area_shares.min() > 0:
        _scale_areas(axes[2])
    if len(names) > 1:
        axes[1].legend(fontsize=7, frameon=False)
    for axis in axes[number:]:
        axis.set_visible(False)
    buffer = io.BytesIO()
    # Without the library's version the same numbers give the same bytes everywhere.
    figure.savefig(buffer, format='png', dpi=110, metadata={'Software': None})
    return buffer.getvalue()


def _draw_masks_per_image(axis: Axes, numbers: NDArray[np.int64]) -> None:
    largest = int(numbers.max())
    step = max(1, -(-largest // _BINS))
    bins = np.arange(0, largest + 2 * step, step) - 0.5
    axis.hist(numbers, bins=bins, color='0.45')
    axis.set_title('masks an image', fontsize=9)
    _style(axis, 'images')


def _draw_column(
    axis: Axes,
    title: str,
    values: NDArray[np.float64],
    bins: NDArray[np.float64],
    sources: NDArray[np.str_],
    names: Sequence[str],
) -> None:
    known = ~np.isnan(values)
    groups = [values[known & (sources == name)] for name in names[:_MAX_SOURCES]]
    if len(names) > _MAX_SOURCES:
        groups.append(values[known & ~np.isin(sources, names[:_MAX_SOURCES])])
    labels = [*names[:_MAX_SOURCES], 'others'][: len(groups)]
    axis.hist(groups, bins=bins, stacked=True, label=labels)
    axis.set_title(title, fontsize=9)
    _style(axis, 'masks')


def _style(axis: Axes, label: str) -> None:
    axis.set_ylabel(label, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[['top', 'right']].set_visible(False)


def _scale_areas(axis: Axes) -> None:
    axis.set_xscale('log')
    axis.xaxis.set_major_formatter(lambda share, _: f'{100 * share:g} %')


def _main_sources(sources: NDArray[np.str_]) -> list[str]:
    names, counts = np.unique(sources, return_counts=True)
    return names[np.argsort(-counts, kind='stable')].tolist()


def _even_bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram_bin_edges(values, _BINS)


def _area_bins(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    if shares.min() <= 0:
        return _even_bins(shares)
    low, high = np.log10(shares.min()), np.log10(max(1.0, shares.max()))
    return np.logspace(min(low, high - 0.1), high, _BINS + 1)


def _unit() -> NDArray[np.float64]:
    return np.linspace(0, 1, _BINS + 1)
