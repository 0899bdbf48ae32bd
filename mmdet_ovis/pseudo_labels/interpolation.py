"""Extracted masks at another size: that of the original images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ..structures.pseudo_annotation import PseudoAnnotation
from ..utils.coco import image_sizes
from ..utils.coco_stream import load_coco_head, write_list
from ..utils.io import atomic_open
from ..utils.json_stream import open_json
from ..utils.progress import show_progress
from .inputs import expand_inputs
from .reader import iter_pseudo_lists

SHAPE_KEYS = ('ori_shape', 'orig_shape')
"""Where an annotation may say how large its image is: mmdet's key, and GGN's."""

SUFFIX = '_interpolated'

Size = tuple[int, int]


@dataclass(frozen=True)
class InterpolationSummary:
    """What an interpolation did with one file."""

    out: Path
    n_images: int
    n_read: int
    n_kept: int  # the others have no pixel at the new size


def interpolate_mask(ann: PseudoAnnotation, size: Size) -> PseudoAnnotation | None:
    """Bring one mask to another size by nearest neighbour.

    Args:
        ann (PseudoAnnotation): The mask.
        size (tuple[int, int]): New height and width in pixels.

    Returns:
        PseudoAnnotation | None: A copy with new ``segmentation``, ``bbox`` and
        ``area``; None if no pixel is left.

    Examples:
        >>> square = np.zeros((50, 50), np.uint8, order='F')
        >>> square[20:30, 5:15] = 1
        >>> rle = mask_api.encode(square)
        >>> rle['counts'] = rle['counts'].decode()
        >>> twice = interpolate_mask({'segmentation': rle}, (100, 100))
        >>> twice['area'], twice['bbox']
        (400, [10.0, 40.0, 20.0, 20.0])
    """
    mask = mask_api.decode(ann['segmentation'])
    height, width = size
    if mask.shape != size:
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    if not mask.any():
        return None
    rle = mask_api.encode(np.asfortranarray(mask))
    return {
        **ann,
        'segmentation': {'size': [height, width], 'counts': rle['counts'].decode()},
        'bbox': mask_api.toBbox(rle).tolist(),
        'area': int(mask_api.area(rle)),
    }


def interpolate_extracted_masks(
    inputs: Sequence[str | Path],
    out_dir: str | Path | None = None,
    ref: str | Path | None = None,
    processes: int = 1,
) -> list[InterpolationSummary]:
    """Bring the masks of extraction files to the size of their images.

    ``masks.json`` becomes ``masks_interpolated.json``, with one list an image in the
    same order. Masks that vanish are dropped, the ranks of the others stay.

    Args:
        inputs (Sequence[str | Path]): Outputs of ``tools/extract_pa_masks.py`` or of
            GGN's original; paths or glob patterns.
        out_dir (str | Path, optional): Where to write. Defaults to beside each input.
        ref (str | Path, optional): COCO file that knows the sizes of the images.
            Defaults to None: each annotation names it, see :data:`SHAPE_KEYS`.
        processes (int): Processes that resize.

    Returns:
        list[InterpolationSummary]: One a file.

    Raises:
        FileNotFoundError: If a file is missing or a pattern matches none.
        ValueError: If a file is broken or a size is unknown; the message names file,
            index and key. Files before it are complete.
    """
    if processes < 1:
        raise ValueError(f'processes must be at least 1, not {processes}')
    sizes = image_sizes(load_coco_head(ref)[0], ref) if ref else None
    paths = expand_inputs(inputs)
    outputs = [_output(path, out_dir) for path in paths]
    if len(set(outputs)) < len(outputs):
        raise ValueError(
            f'inputs of the same name would overwrite each other in {out_dir}; leave '
            'out_dir out, or interpolate folder by folder'
        )
    with _workers(processes) as run:
        return [
            _interpolate_file(path, out, sizes, ref, run)
            for path, out in zip(paths, outputs, strict=True)
        ]


def _interpolate_file(
    path: Path,
    out: Path,
    sizes: Mapping[int, Size] | None,
    ref: str | Path | None,
    run: Callable,
) -> InterpolationSummary:
    n_read = n_kept = 0
    n_images = _count_lists(path)
    with atomic_open(out) as file, show_progress(path.name, n_images) as advance:

        def resized() -> Iterator[tuple[str, list[PseudoAnnotation]]]:
            nonlocal n_read, n_kept
            for n_before, anns in run(_with_sizes(path, sizes, ref)):
                n_read += n_before
                n_kept += len(anns)
                yield str(path), anns
                advance()

        write_list(file, resized())
    return InterpolationSummary(
        out=out, n_images=n_images, n_read=n_read, n_kept=n_kept
    )


def _with_sizes(
    path: Path, sizes: Mapping[int, Size] | None, ref: str | Path | None
) -> Iterator[list[tuple[PseudoAnnotation, Size]]]:
    """Read the masks of each image and the size that each of them shall have."""
    for places, anns in iter_pseudo_lists(path):
        yield [
            (ann, _size_of(ann, sizes, where, ref))
            for where, ann in zip(places, anns, strict=True)
        ]


def _count_lists(path: Path) -> int:
    """Count the images; a file that is cut off is found out at once."""
    with open_json(path) as stream:
        return sum(1 for _ in stream.elements()) if stream.kind is list else 0


@contextmanager
def _workers(processes: int) -> Iterator[Callable]:
    """Offer a ``map`` that keeps the order and reads only a little ahead."""
    if processes == 1:
        yield partial(map, _interpolate_list)
        return
    # Forked workers need not import the package again; OpenCV's threads do not survive
    # a fork.
    context = get_context('fork' if 'fork' in get_all_start_methods() else 'spawn')
    with ProcessPoolExecutor(processes, context, cv2.setNumThreads, (0,)) as pool:
        try:
            yield partial(_map_ahead, pool, 4 * processes)
        except BrokenProcessPool:
            raise ChildProcessError(
                'a worker process died, most likely for lack of memory; repeat the '
                'command with fewer --processes'
            ) from None


def _map_ahead(pool: Executor, ahead: int, tasks: Iterable) -> Iterator:
    """Hand out at most ``ahead`` tasks before their results are taken."""
    waiting: deque[Future] = deque()
    for task in tasks:
        waiting.append(pool.submit(_interpolate_list, task))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _interpolate_list(
    anns: Sequence[tuple[PseudoAnnotation, Size]],
) -> tuple[int, list[PseudoAnnotation]]:
    """Resize the masks of one image; also return how many there were."""
    resized = (interpolate_mask(ann, size) for ann, size in anns)
    return len(anns), [ann for ann in resized if ann is not None]


def _size_of(
    ann: Mapping[str, Any],
    sizes: Mapping[int, Size] | None,
    where: str,
    ref: str | Path | None,
) -> Size:
    if sizes is not None:
        if ann['image_id'] not in sizes:
            raise ValueError(
                f'{where}: image_id {ann["image_id"]} is not among the '
                f'{len(sizes)} images of {ref}'
            )
        return sizes[ann['image_id']]
    for key in filter(ann.__contains__, SHAPE_KEYS):
        shape = ann[key]
        if (
            isinstance(shape, list)
            and len(shape) in (2, 3)
            and all(type(side) is int and side > 0 for side in shape[:2])
        ):
            return shape[0], shape[1]
        raise ValueError(
            f"{where}: key '{key}' is {shape!r}; it must be [height, width] or "
            '[height, width, channels]'
        )
    raise ValueError(
        f'{where}: no key says how large the image is ({" or ".join(SHAPE_KEYS)}); '
        'name a COCO file of the images with --ref'
    )


def _output(path: Path, out_dir: str | Path | None) -> Path:
    folder = path.parent if out_dir is None else Path(out_dir)
    return folder / f'{path.stem}{SUFFIX}{path.suffix}'
