"""From pseudo annotations with words to one COCO file with a category a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..structures.base_novel import BaseNovel
from ..structures.pseudo_annotation import PseudoAnnotation
from ..structures.vocabulary import name_key
from ..utils.coco_stream import write_coco
from ..utils.io import atomic_open
from ..utils.progress import show_progress
from ..utils.tally import Tally
from ..version import __version__
from .class_selection import PRESETS, AssemblyOptions, ClassSelection, Entry
from .coco_categories import number_names
from .inputs import expand_inputs
from .merge import check_sizes
from .reader import PseudoImage, iter_pseudo_images
from .reference import Reference
from .signature import file_sha256

_BINS: Final = 20
_FIRST_KEYS: Final = (
    'id', 'image_id', 'category_id', 'word', 'segmentation', 'bbox', 'area', 'iscrowd',
    'score', 'rank', 'gt_iou', 'source', 'pseudo',
)  # fmt: skip


@dataclass(frozen=True)
class AssemblyReport:
    """What became of the pseudo annotations.

    Args:
        out (Path): The COCO file.
        inputs (dict[str, str]): SHA-256 by file that was read.
        n_images (int): Images of the output.
        n_without_labels (int): Of them without an annotation.
        n_read (int): Pseudo annotations in the inputs.
        per_class (dict[str, int]): Annotations of the output by class, for all classes.
        dropped (Tally): What is not in the output, by reason.
        scores (tuple[list[int], list[float]]): Histogram of the scores in the output:
            numbers, and edges of the bins.
    """

    out: Path
    inputs: dict[str, str]
    n_images: int
    n_without_labels: int
    n_read: int
    per_class: dict[str, int]
    dropped: Tally
    scores: tuple[list[int], list[float]]

    @property
    def n_kept(self) -> int:
        """Annotations of the output."""
        return sum(self.per_class.values())

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            'file': self.out.name,
            'inputs_sha256': self.inputs,
            'images': self.n_images,
            'images_without_labels': self.n_without_labels,
            'read': self.n_read,
            'kept': self.n_kept,
            'dropped': dict(sorted(self.dropped.counts.items())),
            'instances_per_class': self.per_class,
            'score_histogram': {'counts': self.scores[0], 'edges': self.scores[1]},
        }

    def __str__(self) -> str:
        found = sum(number > 0 for number in self.per_class.values())
        lines = [
            f'{self.out}: {self.n_kept} of {self.n_read} pseudo annotations from '
            f'{len(self.inputs)} files, {found} of {len(self.per_class)} categories, '
            f'{self.n_images} images, {self.n_without_labels} of them without labels'
        ]
        return '\n'.join([*lines, *(f'  left out: {x}' for x in self.dropped.lines())])


def assemble_coco(
    reference: Reference,
    inputs: Sequence[str | Path],
    out: str | Path,
    categories: Sequence[Mapping[str, Any]] | None = None,
    options: AssemblyOptions | None = None,
    base_novel: BaseNovel | None = None,
) -> AssemblyReport:
    """Make one COCO file for training of pseudo annotations with words.

    Images stand in the order of their file names, annotations by image and score, ids
    from 1; so the bytes do not depend on the order of the inputs or of what is in
    them. The masks of an image may come from several files or captions.

    Args:
        reference (Reference): The images; its annotations are not read.
        inputs (Sequence[str | Path]): What :func:`.reader.iter_pseudo_images` reads,
            paths or glob patterns.
        out (str | Path): COCO file to write.
        categories (Sequence[Mapping], optional): COCO categories: the classes; words
            may also be their ``synonyms``, if they have some. Defaults to None: the
            words that are kept, sorted, with ids from 1 (those of COCO have COCO's).
        options (AssemblyOptions, optional): What to keep. Defaults to
            ``PRESETS['default']``.
        base_novel (BaseNovel, optional): Base and novel classes, which get ``split``.
            Defaults to None: no category gets it.

    Returns:
        AssemblyReport: What was read, kept and left out.

    Raises:
        FileNotFoundError: If a file is missing or a pattern matches none.
        ValueError: If an input is broken, or of other images or another size; the
            message names file and index.
    """
    options = options or PRESETS['default']
    paths = expand_inputs(inputs)
    if Path(out).resolve() in {Path(p).resolve() for p in (reference.path, *paths)}:
        raise ValueError(f'{out} is read here, choose another output')
    by_image = _read(paths, reference)
    wanted = None
    if categories is not None:
        wanted = _names_by_form(categories)
    known = {cat['id']: cat['name'] for cat in reference.head.get('categories', [])}
    selection = ClassSelection(options, wanted, known)
    images = sorted(reference.head['images'], key=lambda x: (x['file_name'], x['id']))
    chosen: list[PseudoAnnotation] = []
    n_without = 0
    with show_progress('assembling', len(images)) as advance:
        for image in images:
            anns = selection.choose(by_image.pop(image['id'], []))
            chosen += anns
            n_without += not anns
            advance()
    numbers = Counter(ann['word'] for ann in chosen)
    if categories is None:
        categories = number_names(sorted(numbers))
    head = {
        'info': {
            'description': 'Pseudo labels',
            'version': __version__,
            'options': asdict(options),
            'reference_sha256': file_sha256(reference.path),
        },
        'licenses': reference.head.get('licenses', []),
        'images': images,
        'annotations': [],
        'categories': [_marked(category, base_novel) for category in categories],
    }
    with atomic_open(out) as file:
        write_coco(file, head, _numbered(chosen, categories), out)
    return AssemblyReport(
        out=Path(out),
        inputs={str(path): file_sha256(path) for path in paths},
        n_images=len(images),
        n_without_labels=n_without,
        n_read=len(chosen) + selection.dropped.total,
        per_class={cat['name']: numbers[cat['name']] for cat in categories},
        dropped=selection.dropped,
        scores=_histogram([ann['score'] for ann in chosen]),
    )


def _names_by_form(categories: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Say which class a word stands for; names go before synonyms."""
    names = {name_key(cat['name']): cat['name'] for cat in categories}
    synonyms = {
        name_key(form): cat['name']
        for cat in reversed(categories)  # the first one has it
        for form in cat.get('synonyms', ())
    }
    return synonyms | names


def _marked(
    category: Mapping[str, Any], base_novel: BaseNovel | None
) -> dict[str, Any]:
    group = base_novel.group(category['name']) if base_novel else ''
    return {**category, 'split': group} if group else dict(category)


def _read(paths: Iterable[Path], reference: Reference) -> dict[int, list[Entry]]:
    """Read all masks by image; memory grows with their number."""
    by_image: dict[int, list[Entry]] = {}
    for path in paths:
        for image in iter_pseudo_images(path, reference.sizes):
            check_sizes(image, reference.sizes, reference.path)
            by_image.setdefault(image.image_id, []).extend(_entries(image))
    return by_image


def _entries(image: PseudoImage) -> list[Entry]:
    return list(zip(image.places, image.annotations, strict=True))


def _numbered(
    anns: Iterable[PseudoAnnotation], categories: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give annotations their ids, their categories, and keys in one order."""
    ids = {category['name']: category['id'] for category in categories}
    for number, ann in enumerate(anns, start=1):
        entry = {**ann, 'id': number, 'category_id': ids[ann['word']]}
        first = {key: entry[key] for key in _FIRST_KEYS}
        others = {key: entry[key] for key in sorted(entry.keys() - first.keys())}
        yield f'annotations[{number - 1}]', {**first, **others}


def _histogram(scores: Sequence[float]) -> tuple[list[int], list[float]]:
    """Count scores in bins: of [0, 1] if all are inside."""
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    bounds = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    counts, edges = np.histogram(scores, _BINS, bounds)
    return counts.tolist(), edges.tolist()
