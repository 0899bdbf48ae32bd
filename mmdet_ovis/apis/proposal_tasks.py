"""Where the images of a proposal benchmark come from: options, truth, affinity."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_api
from scipy.io import loadmat

from pa_lib import GroupingConfig

from ..evaluation.coco_objects import GroundTruth
from ..structures.class_splits import resolve_split
from ..utils.cli import add_trust_checkpoint
from ..utils.coco import load_coco
from ..utils.image import read_image
from .benchmarks.proposals import ProposalTask
from .inference.affinity_inferencer import AffinityInferencer


def _default_config(**parameters: Any) -> GroupingConfig:
    return GroupingConfig.from_dict(parameters)


_PRESETS = {
    'default': _default_config,
    'ggn': GroupingConfig.ggn,
    'legacy': GroupingConfig.legacy,
}


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`make_tasks` reads."""
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument('--gt', type=Path, metavar='FILE', help='COCO annotation file')
    truth.add_argument(
        '--segmentations',
        type=Path,
        metavar='DIR',
        help='.mat files as those of BSDS500: a cell of segmentations each',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='objects of these classes only: names, or a split such as voc or '
        'openshapes_seen',
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--boundary-maps',
        type=Path,
        metavar='DIR',
        help='PNG files named like the images, 255 where a boundary is certain',
    )
    source.add_argument('--pa', type=Path, metavar='CKPT', help='affinity checkpoint')
    parser.add_argument(
        '--images', type=Path, metavar='DIR', help='the images; needed with --pa'
    )
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='N',
        help='take every N-th image in the order of file names',
    )
    parser.add_argument(
        '--skip', type=int, default=0, metavar='K', help='begin with image K (from 0)'
    )
    parser.add_argument(
        '--others',
        action='store_true',
        help='take the images that --every and --skip would leave out',
    )
    add_trust_checkpoint(parser)


def add_grouping_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`make_config` reads."""
    parser.add_argument(
        '--set',
        nargs='*',
        default=[],
        metavar='KEY=VALUE',
        help='parameters of pa_lib.GroupingConfig',
    )
    parser.add_argument(
        '--preset',
        choices=tuple(_PRESETS),
        default='default',
        help="parameters to start from: pa_lib's, those of GGN, or the original's with "
        'its flaws (default: default)',
    )


def check_image_arguments(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """End the program if the options do not go together."""
    if args.pa and not args.images:
        parser.error('--pa needs the --images')
    if args.classes and args.segmentations:
        parser.error('--classes goes with --gt: segmentations have no classes')
    if args.every < 1 or args.skip < 0:
        parser.error('--every must be at least 1 and --skip at least 0')


def make_config(settings: list[str], preset: str) -> GroupingConfig:
    """Read KEY=VALUE pairs."""
    parameters = {}
    for setting in settings:
        key, equals, value = setting.partition('=')
        if not equals:
            raise ValueError(f'--set takes KEY=VALUE, got {setting!r}')
        try:
            parameters[key] = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            parameters[key] = value
    # The original keeps 20 masks; recall is asked for up to 1000.
    parameters = {'topk': None, **parameters}
    return _PRESETS[preset](**parameters)


def read_boundary_map(path: Path) -> np.ndarray:
    """Turn a boundary map into an affinity (H, W) float32."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f'{path} is missing or not an image')
    return 1.0 - image.astype(np.float32) / 255.0


def read_segmentations(path: Path) -> list[np.ndarray]:
    """Read the human segmentations of an image."""
    cells = loadmat(path)['groundTruth'][0]
    return [cell['Segmentation'][0, 0].astype(np.int64) for cell in cells]


def decode_masks(rles: list[dict]) -> np.ndarray:
    """Decode the objects of an image, (G, H, W) bool."""
    return np.stack([mask_api.decode(rle) for rle in rles]).astype(bool)


def read_truth(args: argparse.Namespace) -> list[tuple[str, dict]]:
    """List the images with what :class:`ProposalTask` wants to know of them.

    Raises:
        FileNotFoundError: If there is no annotation file or no segmentation.
        ValueError: If the annotation file is broken, or lacks one of the classes.
    """
    if args.segmentations:
        paths = sorted(args.segmentations.glob('*.mat'))
        if not paths:
            raise FileNotFoundError(f'no .mat file in {args.segmentations}')
        return [
            (path.stem, {'segmentations': partial(read_segmentations, path)})
            for path in _choose(paths, args)
        ]
    dataset = load_coco(args.gt).dataset
    truth = GroundTruth(dataset, str(args.gt))
    images = sorted(dataset['images'], key=lambda image: image['file_name'])
    wanted = _choose_categories(truth.categories, args.classes)
    entries = []
    for image in _choose(images, args):
        objects = truth.objects(image['id'], 'segm')
        keep = ~objects.crowd & np.isin(objects.category_ids, wanted)
        rles = [objects.shapes[i] for i in np.flatnonzero(keep)]
        task = {'areas': objects.areas[keep]}
        if rles:
            task['masks'] = partial(decode_masks, rles)
        entries.append((image['file_name'], task))
    return entries


def _choose_categories(
    categories: dict[int, str], classes: list[str] | None
) -> list[int]:
    """Ids of the categories with the names, or in the split, that are asked for."""
    if classes is None:
        return list(categories)
    split = classes[0] if len(classes) == 1 else classes
    if split in categories.values():
        split = [split]
    names = resolve_split(split, tuple(categories.values()))
    return [i for i, name in categories.items() if name in names]


def _choose(items: list, args: argparse.Namespace) -> list:
    chosen = range(args.skip, len(items), args.every)
    return [item for i, item in enumerate(items) if (i in chosen) != args.others]


def make_tasks(
    args: argparse.Namespace, truth: list[tuple[str, dict]]
) -> Iterator[ProposalTask]:
    """Join the truth, see :func:`read_truth`, with the affinity of each image."""
    network = None
    if args.pa:
        trust = args.trust_checkpoint
        network = AffinityInferencer(args.pa, trust_checkpoint=trust)
    for name, task in truth:
        if network is None:
            source = args.boundary_maps / f'{Path(name).stem}.png'
            yield ProposalTask(name, partial(read_boundary_map, source), **task)
            continue
        path = args.images / name
        if not path.suffix:
            path = next(args.images.glob(f'{name}.*'), path)
        affinity = network.predict(read_image(path))
        yield ProposalTask(name, partial(np.asarray, affinity), **task)
