"""Sentences that a class name is put into before its text is encoded.

X. Gu et al., Open-vocabulary Object Detection via Vision and Language Knowledge
Distillation (ViLD), ICLR 2022, and Mask-free OVIS, CVPR 2023.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

PLACE = '{}'
"""Where the name goes."""

_LOOKS = ('nice', 'cool', 'weird', 'small', 'large', 'clean', 'dirty')
_DEFECTS = (
    'low resolution', 'cropped', 'close-up', 'jpeg corrupted', 'blurry', 'pixelated',
)  # fmt: skip
_MATERIALS = ('plastic', 'toy', 'plushie', 'cartoon')


def _fill(pattern: str, *choices: Sequence[str]) -> list[str]:
    """Put each combination of words into a pattern, the first word varying slowest."""
    return [pattern.format(*words, PLACE) for words in product(*choices)]


def _vild_templates() -> tuple[str, ...]:
    articles = ('a', 'the')
    return (
        *_fill('There is {} {} in the scene.', articles),
        *_fill('a photo of {} {} in the scene.', ('a', 'the', 'one')),
        *_fill('itap of {} {}.', ('a', 'my', 'the')),
        *_fill('a photo of {} {}.', ('a', 'my', 'the', 'one', 'many')),
        *_fill('a {} photo of {} {}.', ('good', 'bad'), articles),
        *_fill('a photo of {} {} {}.', articles, _LOOKS),
        *_fill('a {} photo of {} {}.', ('bright', 'dark'), articles),
        *_fill('a photo of {} hard to see {}.', articles),
        *_fill('a {} photo of {} {}.', _DEFECTS, articles),
        # The original forgot a full stop here.
        'a black and white photo of a {}',
        'a black and white photo of the {}.',
        *_fill('{} {} {}.', articles, _MATERIALS),
        *_fill('{} embroidered {}.', ('an', 'the')),
        *_fill('a painting of {} {}.', ('the', 'a')),
    )


TEMPLATES: dict[str, tuple[str, ...]] = {
    'vild63': _vild_templates(),
    'single': ('a photo of a {}.',),
    'none': (PLACE,),
}
"""Sets of templates by name."""


def load_templates(source: str | os.PathLike) -> tuple[str, ...]:
    """Return a named set of templates, or those of a file.

    Args:
        source (str | PathLike): ``'vild63'`` (the 63 of Mask-free OVIS), ``'single'``
            (``a photo of a {}.``), ``'none'`` (the name alone), or a text file of one
            template a line. Blank lines and those that begin with ``#`` do not count.

    Returns:
        tuple[str, ...]: Different texts, each with one ``{}``.

    Raises:
        FileNotFoundError: If there is no such set or file.
        ValueError: If the file holds no template, or something else.

    Examples:
        >>> len(load_templates('vild63')), load_templates('single')
        (63, ('a photo of a {}.',))
    """
    if source in TEMPLATES:
        return TEMPLATES[source]
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f'no such templates: {source}; name a text file, or one of '
            f'{", ".join(TEMPLATES)}'
        )
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError:
        raise ValueError(f'{path} is not a text file') from None
    stripped = [line.strip() for line in lines]
    templates = tuple(t for t in stripped if t and not t.startswith('#'))
    try:
        check_templates(templates)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return templates


def check_templates(templates: Sequence[str]) -> None:
    """Check that templates are usable.

    Raises:
        ValueError: If there is none, one does not have ``{}`` exactly once, or two are
            equal.
    """
    if not templates:
        raise ValueError('there is no template')
    for i, template in enumerate(templates):
        if template.count(PLACE) != 1:
            raise ValueError(
                f'template {i} has to hold {{}} exactly once, for the name: '
                f'{template!r}'
            )
    if len(set(templates)) < len(templates):
        twice = next(t for t in templates if list(templates).count(t) > 1)
        raise ValueError(f'a template is given twice: {twice!r}')


def fill_templates(templates: Sequence[str], text: str) -> list[str]:
    """Put a text into each template.

    Examples:
        >>> fill_templates(['a {}.', 'the {}.'], 'dog')
        ['a dog.', 'the dog.']
    """
    return [template.replace(PLACE, text) for template in templates]


def templates_hash(templates: Sequence[str]) -> str:
    """Return a short name of a set of templates: 16 hexadecimal digits of SHA-256.

    Another order is another name, since it changes the last bits of the vectors.

    Examples:
        >>> templates_hash(['{}'])
        '44136fa355b3678a'
    """
    return hashlib.sha256('\n'.join(templates).encode()).hexdigest()[:16]
