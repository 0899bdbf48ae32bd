"""Pseudo labels of the original Mask-free OVIS in the project's own format.

Source: Mask-free OVIS (VS et al., CVPR 2023), released code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..structures.pseudo_annotation import PseudoAnnotation
from ..utils.io import atomic_write_json
from ..utils.progress import show_progress
from ..utils.tally import Tally
from .mask_cleaning import draw_polygons, encode_mask
from .proposals.upstream_pickle import UpstreamInstance, read_upstream_pseudo_labels
from .reference import Reference
from .sources.base import Evidence, build_annotations

_SUFFIX = '_pseudo_label.pkl'
_MARGIN: Final = 2
"""How far outlines of the original may reach beyond the image: its blur, px."""


@dataclass(frozen=True)
class ImportReport:
    """What was imported.

    Args:
        out (Path): The file that was written.
        n_images (int): Images of the reference.
        n_masks (int): Masks in the file.
        missing (Tally): What is not in it, by reason.
    """

    out: Path
    n_images: int
    n_masks: int
    missing: Tally

    def __str__(self) -> str:
        lines = [f'{self.out}: {self.n_masks} masks in {self.n_images} images']
        return '\n'.join([*lines, *(f'  without: {x}' for x in self.missing.lines())])


def import_upstream_labels(
    folder: str | Path, reference: Reference, out: str | Path
) -> ImportReport:
    """Read one pickle an image, and write one file for all.

    The labels of ``coco/train2017/1.jpg`` are ``1_pseudo_label.pkl``, in the folder
    itself, where the generator of the original puts them, or below it at
    ``coco/train2017``, where its next script looks for them. Names of classes become
    words in lower case, numbered in alphabetical order.

    Args:
        folder (str | Path): Where the pickles are; they are read without unpickling.
        reference (Reference): The images.
        out (str | Path): JSON file to write: a list with the annotations of each
            image, in the order of the reference.

    Returns:
        ImportReport: What was read, and what has no mask.

    Raises:
        FileNotFoundError: If no image has a file.
        ValueError: If a file is refused or damaged, an outline is not within its image,
            or two images share a file.
    """
    images = reference.head['images']
    missing = Tally()
    found: list[list[UpstreamInstance]] = []
    with show_progress('importing', len(images)) as advance:
        for image, path in zip(images, _files(Path(folder), images), strict=True):
            if path is None:
                missing.add('images without a file', image['file_name'])
            labels = read_upstream_pseudo_labels(path) if path else []
            for i, label in enumerate(labels):
                _check_polygons(label, reference.sizes[image['id']], f'{path}[{i}]')
            found.append(labels)
            advance()
    words = sorted({label.name.lower() for labels in found for label in labels})
    categories = {word: i for i, word in enumerate(words, start=1)}
    annotations = [
        _annotate(image, reference.sizes[image['id']], labels, categories, missing)
        for image, labels in zip(images, found, strict=True)
    ]
    atomic_write_json(out, annotations)
    return ImportReport(Path(out), len(images), sum(map(len, annotations)), missing)


def _files(folder: Path, images: list[dict]) -> Iterator[Path | None]:
    """Find the file of each image.

    Raises:
        FileNotFoundError: If there is none at all.
        ValueError: If a file could be that of several images.
    """
    stems = [Path(image['file_name']).with_suffix('') for image in images]
    paths = []
    for stem in stems:
        below = folder / stem.with_name(stem.name + _SUFFIX)
        flat = folder / f'{stem.name}{_SUFFIX}'
        paths.append(next((p for p in (below, flat) if p.is_file()), None))
    if not any(paths):
        raise FileNotFoundError(
            f'{folder} has no file NAME{_SUFFIX} of any of the {len(images)} images'
        )
    shared = [path for path, n in Counter(filter(None, paths)).items() if n > 1]
    if shared:
        raise ValueError(
            f'{shared[0]} could be of several images, whose names differ in their '
            'folders only; put it below its folder'
        )
    yield from paths


def _check_polygons(label: UpstreamInstance, size: tuple[int, int], where: str) -> None:
    """Insist that outlines are of the image; far beyond it, drawing them crashes.

    Raises:
        ValueError: If not.
    """
    height, width = size
    for polygon in label.polygons:
        for numbers, side in ((polygon[::2], width), (polygon[1::2], height)):
            beyond = [n for n in numbers if not -_MARGIN <= n <= side + _MARGIN]
            if beyond:
                raise ValueError(
                    f"{where}: an outline of '{label.name}' has the coordinate "
                    f'{beyond[0]:.6g}, beyond an image of {width} x {height} pixels; '
                    'the file is damaged, or of another image'
                )


def _annotate(
    image: dict,
    size: tuple[int, int],
    labels: list[UpstreamInstance],
    categories: dict[str, int],
    missing: Tally,
) -> list[PseudoAnnotation]:
    drawn = []
    for label in sorted(labels, key=lambda label: -label.score):
        mask = draw_polygons([p for p in label.polygons if len(p) >= 6], size)
        if mask.any():
            drawn.append((label, encode_mask(mask)))
        else:
            missing.add('labels without a mask', f'{image["file_name"]}, {label.name}')
    return build_annotations(
        Evidence(image['id'], size),
        [rle for _, rle in drawn],
        [label.score for label, _ in drawn],
        'upstream',
        [categories[label.name.lower()] for label, _ in drawn],
        extras=[
            {'word': label.name.lower(), 'proposal_box': list(label.box)}
            for label, _ in drawn
        ],
    )
