"""From shards of pseudo annotations to one COCO file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..structures.pseudo_annotation import PseudoAnnotation
from ..utils.coco import image_sizes, load_coco
from ..utils.io import atomic_write_json
from .filters import select_pseudo_annotations
from .reader import iter_pseudo_annotations


@dataclass(frozen=True)
class MergeSummary:
    """What a merge did."""

    out: Path
    n_inputs: int
    n_images: int  # of the reference
    n_read: int  # pseudo annotations in the inputs
    n_kept: int  # of them in the output
    n_ground_truth: int  # annotations of the reference in the output


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
    """

    category_id: int | None = None
    category_name: str | None = None
    top_k: int | None = None
    max_gt_iou: float | None = None
    min_score: float | None = None
    include_gt: bool = False

    def __post_init__(self) -> None:
        if self.category_name is not None and self.category_id is None:
            raise ValueError('category_name needs the category_id that it names')


def merge_annotations(
    ref: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    options: MergeOptions | None = None,
) -> MergeSummary:
    """Put pseudo annotations in the place of a reference file's annotations.

    ``images``, ``categories``, ``info`` and ``licenses`` are those of the reference.
    Ids go on from its largest, in the order of inputs, images and ranks.

    Args:
        ref (str | Path): COCO file of the images.
        inputs (Sequence[str | Path]): Outputs of ``tools/extract_pa_masks.py``; paths
            or glob patterns, each pattern in sorted order.
        out (str | Path): COCO file to write.
        options (MergeOptions, optional): What to keep. Defaults to everything.

    Returns:
        MergeSummary: What was read and kept.

    Raises:
        FileNotFoundError: If a file is missing or a pattern matches none.
        ValueError: If an input is broken, of other images, of another size, or has a
            mask twice; the message names file and index.
    """
    options = options or MergeOptions()
    coco = load_coco(ref)
    reference = coco.dataset
    paths = expand_inputs(inputs)
    if Path(out).resolve() in {Path(p).resolve() for p in (ref, *paths)}:
        raise ValueError(f'{out} is read by this merge, choose another output')
    categories = _categories(reference, options, ref)
    truth = reference['annotations']
    last_id = max((ann['id'] for ann in truth), default=0)
    sizes = image_sizes(coco, ref)
    checker = _Checker(sizes, ref, {cat['id'] for cat in categories})
    by_image: dict[int, list[PseudoAnnotation]] = defaultdict(list)
    for where, ann in _read_all(paths):
        if options.category_id is not None:
            ann['category_id'] = options.category_id
        checker.check(ann, where)
        by_image[ann['image_id']].append(ann)
    pseudo = [
        ann
        for anns in by_image.values()
        for ann in select_pseudo_annotations(
            anns, options.max_gt_iou, options.min_score, options.top_k
        )
    ]
    pseudo = [{**ann, 'id': i} for i, ann in enumerate(pseudo, last_id + 1)]
    kept_truth = truth if options.include_gt else []
    merged = {
        **reference,
        'categories': categories,
        'annotations': [*kept_truth, *pseudo],
    }
    atomic_write_json(out, merged)
    return MergeSummary(
        out=Path(out),
        n_inputs=len(paths),
        n_images=len(reference['images']),
        n_read=sum(map(len, by_image.values())),
        n_kept=len(pseudo),
        n_ground_truth=len(kept_truth),
    )


def expand_inputs(inputs: Sequence[str | Path]) -> list[Path]:
    """Resolve paths and glob patterns.

    Raises:
        FileNotFoundError: If there is no such file or a pattern matches none.
        ValueError: If there is no input, or one is named twice.
    """
    paths: list[Path] = []
    for pattern in map(Path, inputs):
        if pattern.exists() or not any(mark in str(pattern) for mark in '*?['):
            paths.append(pattern)
            continue
        root = Path(pattern.anchor)
        found = sorted(root.glob(str(pattern.relative_to(root))))
        if not found:
            raise FileNotFoundError(f'no file matches {pattern}')
        paths += found
    if not paths:
        raise ValueError('there is no input to merge')
    resolved = [path.resolve() for path in paths]
    for i, path in enumerate(resolved):
        if path in resolved[:i]:
            raise ValueError(f'{paths[i]} is among the inputs twice')
    return paths


def _read_all(paths: Sequence[Path]) -> Iterator[tuple[str, PseudoAnnotation]]:
    for path in paths:
        yield from iter_pseudo_annotations(path)


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


class _Checker:
    """Holds every annotation against the reference and those before it."""

    def __init__(
        self, sizes: Mapping[int, tuple[int, int]], ref: str | Path, categories: set
    ) -> None:
        self.sizes = sizes
        self.ref = ref
        self.categories = categories
        self.seen: dict[tuple[int, int], str] = {}

    def check(self, ann: PseudoAnnotation, where: str) -> None:
        image_id, rank = ann['image_id'], ann['rank']
        size = self.sizes.get(image_id)
        if size is None:
            raise ValueError(
                f'{where}: image_id {image_id} is not among the '
                f'{len(self.sizes)} images of {self.ref}; are these the masks of '
                'another dataset or split?'
            )
        if tuple(ann['segmentation']['size']) != size:
            raise ValueError(
                f'{where}: the mask has size {list(ann["segmentation"]["size"])}, '
                f'image {image_id} is {list(size)} (height, width) in {self.ref}; '
                'bring the masks to that size with '
                'tools/interpolate_extracted_masks.py --ref'
            )
        if ann['category_id'] not in self.categories:
            raise ValueError(
                f'{where}: category_id {ann["category_id"]} is not in {self.ref}; '
                'choose one with --category-id'
            )
        before = self.seen.setdefault((image_id, rank), where)
        if before is not where:
            raise ValueError(
                f'{where}: rank {rank} of image_id {image_id} was already read from '
                f'{before}; do two shards overlap?'
            )
