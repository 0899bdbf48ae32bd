"""What a report on pseudo labels says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .pseudo_label_report_inputs import ReportInputs
from .pseudo_label_report_pages import Block
from .pseudo_label_report_quality import BUDGETS, MIN_IOU

HISTOGRAMS = 'histograms.png'

_TITLES = {
    'score': 'score',
    'area_share': 'area, share of the image',
    'masks_per_image': 'masks an image',
    'gt_iou': 'gt_iou (best IoU with a seen object)',
    'best_iou': 'best IoU with any object',
}
_SHOWS = {
    'seen': 'an object of a seen class (blue)',
    'unseen': 'an object of an unseen class (orange)',
    'object': 'an object (orange)',
    'repeat': 'an object that a better mask shows already (purple)',
    'crowd': 'a crowd (gray)',
    'nothing': 'nothing that is annotated (red)',
}


def mosaic_file(name: str) -> str:
    """Name the file of a mosaic."""
    return f'{name}.png'


def compose(numbers: Mapping[str, Any], inputs: ReportInputs) -> list[Block]:
    """Write the page of a report.

    Args:
        numbers (Mapping): See :func:`.pseudo_label_report.make_report`.
        inputs (ReportInputs): What they were made from.

    Returns:
        list[Block]: The parts of the page.
    """
    blocks = [Block('title', f'Pseudo labels: {inputs.masks.name}'), _counts(numbers)]
    blocks += _missing(numbers, inputs)
    blocks += [
        Block('heading', 'Distributions'),
        Block('picture', 'histograms', file=HISTOGRAMS),
        _distributions(numbers['distributions']),
    ]
    if 'quality' in numbers:
        blocks += _quality(numbers, inputs)
    blocks += _pictures(numbers)
    return blocks


def _counts(numbers: Mapping[str, Any]) -> Block:
    images, empty = numbers['images'], numbers['images_without_masks']
    rows = [
        ['', ''],
        ['images', f'{images:,}'],
        ['without a mask', f'{empty:,} ({empty / images:.1%})'],
        ['masks', f'{numbers["masks"]:,}'],
        ['masks an image', f'{numbers["masks_per_image"]:.2f}'],
    ]
    rows += [[f'source {name}', f'{n:,}'] for name, n in numbers['sources'].items()]
    if numbers['masks_without_gt_iou']:
        rows.append(['gt_iou unknown', f'{numbers["masks_without_gt_iou"]:,}'])
    return Block('table', rows=rows)


def _missing(numbers: Mapping[str, Any], inputs: ReportInputs) -> list[Block]:
    lines = []
    if numbers['images_not_found']:
        lines.append(
            f'{numbers["images_not_found"]} of the {len(inputs.by_image)} images with '
            f'masks are not in {inputs.images.folder}.'
        )
    if numbers['images_drawn_gray']:
        lines.append(
            f'{len(numbers["images_drawn_gray"])} of the images below are missing, '
            'cannot be read or have another size than their masks; they are gray.'
        )
    return [Block('paragraph', ' '.join(lines))] if lines else []


def _distributions(distributions: Mapping[str, Mapping[str, float]]) -> Block:
    columns = list(next(iter(distributions.values())))
    rows = [['', *columns]]
    for name, values in distributions.items():
        rows.append([_TITLES[name], *(f'{values[c]:.3g}' for c in columns)])
    return Block('table', rows=rows)


def _quality(numbers: Mapping[str, Any], inputs: ReportInputs) -> list[Block]:
    truth = inputs.ground_truth
    blocks = [
        Block('heading', 'Against ground truth'),
        Block(
            'paragraph',
            f'Objects of {truth.where}. AR@k: average recall over IoU 0.5 to 0.95 with '
            'k masks an image; masks on seen objects do not use up the budget of the '
            f'unseen. Precision: share of the masks that show an object at IoU '
            f'{MIN_IOU}, each object once; masks on objects of other classes do not '
            'count. Best IoU: mean over the objects. Percent.',
        ),
        _quality_table({'': numbers['quality']}),
    ]
    if 'quality_by_source' in numbers:
        blocks += [
            Block('paragraph', 'Each source alone:'),
            _quality_table(numbers['quality_by_source']),
        ]
    outcomes, total = numbers['outcomes'], numbers['masks']
    rows = [['the mask shows', 'masks', 'share']]
    rows += [
        [_SHOWS[outcome], f'{number:,}', f'{number / total:.1%}']
        for outcome, number in outcomes.items()
        if number
    ]
    return [*blocks, Block('table', rows=rows)]


def _quality_table(parts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Block:
    columns = {f'AR@{k}': f'AR@{k}' for k in BUDGETS}
    columns |= {
        'AR50@100': 'AR50@100',
        'precision': 'precision',
        'best_iou': 'best IoU',
    }
    rows = [['objects', *columns.values()]]
    for part, splits in parts.items():
        for split, values in splits.items():
            cells = [_percent(values[column]) for column in columns]
            rows.append([f'{part} {split}'.strip(), *cells])
    return Block('table', rows=rows)


def _pictures(numbers: Mapping[str, Any]) -> list[Block]:
    text = 'Images with masks, by their mean score.'
    if 'quality' in numbers:
        shown = [_SHOWS[outcome] for outcome, n in numbers['outcomes'].items() if n]
        text = (
            'Images with masks, by the mean best IoU of their objects. Left the '
            f'objects, right the masks: {", ".join(shown)}.'
        )
    blocks = [Block('heading', 'Images'), Block('paragraph', text)]
    for name in numbers['pictures']:
        blocks += [
            Block('paragraph', f'{name.capitalize()}:'),
            Block('picture', f'{name} images', file=mosaic_file(name)),
        ]
    return blocks


def _percent(value: float) -> str:
    return '-' if value < 0 else f'{100 * value:.1f}'
