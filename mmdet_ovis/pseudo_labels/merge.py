"""From shards of pseudo annotations to one COCO file.

Nothing here holds more than one image's masks, so memory does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..structures.pseudo_annotation import RLE, PseudoAnnotation
from ..utils.coco_stream import write_coco
from ..utils.io import atomic_open
from ..utils.progress import show_progress
from .export import write_per_image
from .filters import select_pseudo_annotations
from .gt_iou import fill_gt_iou
from .inputs import expand_inputs
from .reader import PseudoImage, iter_pseudo_images, once_per_image
from .reference import Reference


@dataclass(frozen=True)
class MergeSummary:
    """What a merge did."""

    out: Path
    n_inputs: int
    n_images: int  # of the reference
    n_with_masks: int  # of them with masks in the inputs
    n_read: int  # pseudo annotations in the inputs
    n_kept: int  # of them in the output
    n_ground_truth: int  # annotations of the reference in the output
    n_files: int  # written, one an image


@dataclass(frozen=True)
class MergeOptions:
    """What to keep, and how to call it.

    Args:
        category_id (int, optional): Category of every pseudo annotation. Defaults to
            None: as the inputs say.
        category_name (str, optional): Name of that category, added if the reference
            does not have it.
        top_k (int, optional): Keep so many an image, best rank first.
        max_gt_iou (float, optional): Keep ``gt_iou < max_gt_iou``, strictly.
        min_score (float, optional): Keep ``score >= min_score``.
        include_gt (bool): Keep the annotations of the reference.
        seen_class (str | Sequence[str], optional): Classes of the reference that
            ``gt_iou`` is computed with where the inputs do not tell it.
    """

    category_id: int | None = None
    category_name: str | None = None
    top_k: int | None = None
    max_gt_iou: float | None = None
    min_score: float | None = None
    include_gt: bool = False
    seen_class: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.category_name is not None and self.category_id is None:
            raise ValueError('category_name needs the category_id that it names')


def merge_annotations(
    ref: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    options: MergeOptions | None = None,
    per_image_dir: str | Path | None = None,
) -> MergeSummary:
    """Put pseudo annotations in the place of a reference file's annotations.

    ``images``, ``categories``, ``info`` and ``licenses`` are those of the reference.
    Ids go on from its largest, in the order of inputs, images and ranks.

    Complexity: O(n) time for n masks; memory for the images of the reference, the
    masks of one image, and with ``seen_class`` the instances of these classes.

    Args:
        ref (str | Path): COCO file of the images.
        inputs (Sequence[str | Path]): Outputs of ``tools/extract_pa_masks.py``, COCO
            files or COCO results, see :func:`.reader.iter_pseudo_images`; paths or
            glob patterns, each pattern in sorted order.
        out (str | Path): COCO file to write.
        options (MergeOptions, optional): What to keep. Defaults to everything.
        per_image_dir (str | Path, optional): Write the pseudo annotations to one file
            an image of the reference as well, see :func:`.export.export_per_image`.

    Returns:
        MergeSummary: What was read and kept.

    Raises:
        FileNotFoundError: If a file is missing or a pattern matches none.
        ValueError: If an input is broken, of other images, of another size, or has an
            image or a rank twice; the message names file and index.
    """
    options = options or MergeOptions()
    paths = expand_inputs(inputs)
    if Path(out).resolve() in {Path(p).resolve() for p in (ref, *paths)}:
        raise ValueError(f'{out} is read by this merge, choose another output')
    reference = Reference.read(ref)
    categories = _categories(reference.head, options, ref)
    merge = _Merge(
        reference,
        options,
        _Checker(reference.sizes, ref, {cat['id'] for cat in categories}),
    )
    n_images = len(reference.sizes)
    with atomic_open(out) as file, show_progress('merging', n_images) as advance:
        annotations = merge.annotations(paths, advance)
        head = {**reference.head, 'categories': categories}
        write_coco(file, head, annotations, ref)
        for _ in range(n_images - merge.n_with_masks):
            advance()
    n_files = 0
    if per_image_dir is not None:
        kept = iter_pseudo_images(out) if merge.n_kept else ()
        n_files = write_per_image(kept, per_image_dir, list(reference.sizes))
    return MergeSummary(
        out=Path(out),
        n_inputs=len(paths),
        n_images=n_images,
        n_with_masks=merge.n_with_masks,
        n_read=merge.n_read,
        n_kept=merge.n_kept,
        n_ground_truth=merge.n_ground_truth,
        n_files=n_files,
    )


def _categories(reference: Mapping, options: MergeOptions, ref: str | Path) -> list:
    categories = list(reference['categories'])
    names = {category['id']: category['name'] for category in categories}
    wanted, name = options.category_id, options.category_name
    if wanted is None:
        return categories
    if wanted not in names:
        if name is None:
            raise ValueError(
                f'{ref} has no category {wanted}; name the new one (--category-name)'
            )
        return [*categories, {'id': wanted, 'name': name}]
    if name not in (None, names[wanted]):
        raise ValueError(
            f"{ref} calls category {wanted} '{names[wanted]}', not '{name}'; choose "
            'another --category-id'
        )
    return categories


class _Merge:
    """Reads, checks and chooses image by image, and counts."""

    def __init__(
        self, reference: Reference, options: MergeOptions, checker: _Checker
    ) -> None:
        self.reference = reference
        self.options = options
        self.checker = checker
        self.seen_masks: Mapping[int, Sequence[RLE]] = {}
        if options.seen_class is not None:
            self.seen_masks = reference.seen_masks(options.seen_class)
        self.n_read = self.n_kept = self.n_with_masks = self.n_ground_truth = 0

    def annotations(
        self, paths: Sequence[Path], advance: Callable[[], None]
    ) -> Iterator[tuple[str, Mapping]]:
        """Yield what the output holds, each with its place for messages."""
        if self.options.include_gt:
            for entry in self.reference.annotations():
                self.n_ground_truth += 1
                yield entry
        for image in once_per_image(self._images(paths)):
            for ann in self._choose(image):
                self.n_kept += 1
                number = self.reference.last_id + self.n_kept
                yield image.places[0], {**ann, 'id': number}
            self.n_with_masks += 1
            advance()

    def _images(self, paths: Sequence[Path]) -> Iterator[PseudoImage]:
        for path in paths:
            yield from iter_pseudo_images(path, self.reference.sizes)

    def _choose(self, image: PseudoImage) -> list[PseudoAnnotation]:
        options, anns = self.options, image.annotations
        self.n_read += len(anns)
        if options.category_id is not None:
            for ann in anns:
                ann['category_id'] = options.category_id
        self.checker.check(image)
        if options.seen_class is not None:
            anns = fill_gt_iou(anns, self.seen_masks.get(image.image_id, ()))
        elif options.max_gt_iou is not None:
            self._check_gt_iou(image)
        return select_pseudo_annotations(
            anns, options.max_gt_iou, options.min_score, options.top_k
        )

    def _check_gt_iou(self, image: PseudoImage) -> None:
        for where, ann in zip(image.places, image.annotations, strict=True):
            if ann['gt_iou'] is None:
                raise ValueError(
                    f'{where}: gt_iou is unknown, results of another tool do not tell '
                    'it, so --max-gt-iou needs --seen-class: the classes of '
                    f'{self.reference.path} that the masks are compared with'
                )


@dataclass(frozen=True)
class _Checker:
    """Holds every image's masks against the reference."""

    sizes: Mapping[int, tuple[int, int]]
    ref: str | Path
    categories: set[int] = field(default_factory=set)

    def check(self, image: PseudoImage) -> None:
        check_sizes(image, self.sizes, self.ref)
        ranks: dict[int, str] = {}
        for where, ann in zip(image.places, image.annotations, strict=True):
            if ann['category_id'] not in self.categories:
                raise ValueError(
                    f'{where}: category_id {ann["category_id"]} is not in {self.ref}; '
                    'choose one with --category-id'
                )
            if ann['rank'] in ranks:
                raise ValueError(
                    f'{where}: rank {ann["rank"]} of image_id {image.image_id} was '
                    f'already read from {ranks[ann["rank"]]}; do two shards overlap?'
                )
            ranks[ann['rank']] = where


def check_sizes(
    image: PseudoImage, sizes: Mapping[int, tuple[int, int]], ref: str | Path
) -> None:
    """Check that masks are of an image of the reference, and of its size.

    Args:
        image (PseudoImage): Masks of one image.
        sizes (Mapping[int, tuple[int, int]]): Height and width of the images.
        ref (str | Path): Where these come from, for messages.

    Raises:
        ValueError: If not; the message names the place.
    """
    size = sizes.get(image.image_id)
    if size is None:
        raise ValueError(
            f'{image.places[0]}: image_id {image.image_id} is not among the '
            f'{len(sizes)} images of {ref}; are these the masks of another dataset or '
            'split?'
        )
    for where, ann in zip(image.places, image.annotations, strict=True):
        if tuple(ann['segmentation']['size']) != size:
            raise ValueError(
                f'{where}: the mask has size {list(ann["segmentation"]["size"])}, '
                f'image {ann["image_id"]} is {list(size)} (height, width) in {ref}; '
                'bring the masks to that size with '
                'tools/interpolate_extracted_masks.py --ref'
            )
