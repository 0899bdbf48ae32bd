"""The job that writes the proposals of many images into one file.

It cuts the images into chunks and keeps what is done of each in ``OUT.parts/``, so that
repeating a command that was ended goes on where it was.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from mmengine.logging import MMLogger

from ..datasets.captions import iter_captioned_images
from ..pseudo_labels import proposals as _providers
from ..pseudo_labels.proposals import (
    FoundBoxes,
    ProposalProvider,
    read_proposals,
    save_proposals,
)
from ..pseudo_labels.proposals.file import check_output
from ..pseudo_labels.quarantine import BrokenImage, Quarantine, read_quarantine
from ..pseudo_labels.run_folder import RunFolder, remove_leftovers
from ..pseudo_labels.run_header import header_path
from ..pseudo_labels.shards import Shard
from ..pseudo_labels.signature import RunSignature, file_sha256
from ..utils.coco_stream import load_coco_head
from ..utils.image import read_image
from ..utils.io import atomic_write_json, read_json
from ..utils.json_stream import is_json_object
from ..utils.parallel import map_in_processes
from ..utils.progress import show_progress
from ..utils.settings import check_choice
from ..version import __version__
from .extraction.images import BrokenImageError, check_not_truncated
from .running import building

CHUNK_SIZE = 256

PROVIDERS: dict[str, str] = {
    provider.name: name
    for name, provider in sorted(vars(_providers).items())
    if isinstance(provider, type)
    and issubclass(provider, ProposalProvider)
    and hasattr(provider, 'name')
}
"""Registered types of the providers by their short names."""

_Image = tuple[int, str]
"""Image id and file name."""


@dataclass(frozen=True)
class ProposalSummary:
    """What came of a job.

    Args:
        n_images (int): Images with a result.
        n_proposals (int): Their proposals.
        n_empty (int): Images among them without any.
        n_resumed (int): Images among them that an earlier call has done.
        broken (tuple[BrokenImage, ...]): Images that could not be read.
    """

    n_images: int
    n_proposals: int
    n_empty: int
    n_resumed: int
    broken: tuple[BrokenImage, ...]

    def __str__(self) -> str:
        mean = self.n_proposals / max(self.n_images, 1)
        return (
            f'{self.n_images} images, {self.n_proposals} proposals ({mean:.1f} an '
            f'image), {self.n_empty} images without any, {self.n_resumed} done before, '
            f'{len(self.broken)} that cannot be read'
        )


def extract_proposals(
    images: str | Path,
    image_dir: str | Path,
    provider: Mapping[str, Any],
    out: str | Path,
    workers: int = 0,
    limit: int | None = None,
    max_broken: float | None = None,
    overwrite: bool = False,
    chunk_size: int = CHUNK_SIZE,
) -> ProposalSummary:
    """Write the proposals of many images into a file that ``FileProposals`` reads.

    Args:
        images (str | Path): A COCO file, or captions, see
            :func:`~mmdet_ovis.datasets.captions.iter_captioned_images`.
        image_dir (str | Path): Folder that the file names start from.
        provider (Mapping): Config of a provider; ``type`` is one of :data:`PROVIDERS`,
            by short name or by type.
        out (str | Path): ``.npz``, or ``.json`` for COCO results. Images that cannot
            be read are listed in ``<out>.quarantine.jsonl``.
        workers (int): Processes; 0 works in this one, as networks on a GPU must.
        limit (int, optional): Take the first images only.
        max_broken (float, optional): Share of the images that may be unreadable before
            the job fails. Defaults to 5 %, and a few in a small dataset.
        overwrite (bool): Start over instead of going on.
        chunk_size (int): Images between two writes.

    Returns:
        ProposalSummary: What came of it.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is broken, an argument out of its range, too many images
            cannot be read, another process is at work on ``out``, or it belongs to a
            run with other settings.
    """
    out = Path(out)
    check_output(out)  # before the work begins
    entries = list_images(images)[: _positive('limit', limit)]
    config = json.dumps({**provider, 'type': provider_type(provider.get('type'))})
    signature = RunSignature(
        {
            'provider': _build_provider(config).parameters,
            'images_sha256': file_sha256(images),
            'n_images': len(entries),
            'chunk_size': _positive('chunk_size', chunk_size),
            'version': __version__,
        }
    )
    quarantine = Quarantine(
        out.with_name(f'{out.name}.quarantine.jsonl'), len(entries), max_broken
    )
    if not overwrite and _is_complete(out, signature):
        MMLogger.get_current_instance().info('%s is already complete', out)
        remove_leftovers(out)
        broken = tuple(read_quarantine(quarantine.path))
        n_images = len(entries) - len(broken)
        return _summarize(read_proposals(out), n_images, n_images, broken)
    with _working_in(out, signature, overwrite) as folder:
        job = _Job(folder.path, entries, chunk_size)
        job.run(functools.partial(_propose, config, Path(image_dir)), workers)
        quarantine.replace(job.broken)
        quarantine.save()
        quarantine.check()
        found = job.collect()
        save_proposals(out, found)
        atomic_write_json(header_path(out), dict(signature.ingredients))
        folder.header_file.unlink()
    return _summarize(found, len(found), job.n_resumed, tuple(job.broken))


def provider_type(name: str | None) -> str:
    """Return the registered type of a provider.

    Args:
        name (str, optional): Short name, or the type itself.

    Raises:
        ValueError: If there is no such provider.

    Examples:
        >>> provider_type('selective_search')
        'SelectiveSearchProposals'
    """
    if name in PROVIDERS.values():
        return name
    check_choice('a provider', name, PROVIDERS)
    return PROVIDERS[name]


def list_images(path: str | Path) -> list[_Image]:
    """List ids and file names of the images of a COCO file or of captions.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither, or has no image.
    """
    if is_json_object(path):
        coco, _ = load_coco_head(path, optional=('annotations', 'categories'))
        try:
            entries = [(img['id'], img['file_name']) for img in coco.dataset['images']]
        except KeyError as error:
            raise ValueError(f'{path}: an image lacks the key {error}') from None
    else:
        entries = [(img.image_id, img.file_name) for img in iter_captioned_images(path)]
    if not entries:
        raise ValueError(f'{path} has no image')
    return entries


class _Job:
    """Fills the chunks of a run with what they lack."""

    def __init__(self, folder: Path, entries: Sequence[_Image], chunk_size: int):
        self.folder = folder
        self.chunks = [
            entries[start : start + chunk_size]
            for start in range(0, len(entries), chunk_size)
        ]
        self.broken: list[BrokenImage] = []
        self.n_resumed = 0

    def run(self, function: functools.partial, workers: int) -> None:
        """Process all images without a result; those that were broken once more."""
        done = [self._read(i) for i in range(len(self.chunks))]
        pending = [
            [image for image in chunk if image[0] not in known]
            for chunk, known in zip(self.chunks, done, strict=True)
        ]
        self.n_resumed = sum(map(len, done))
        tasks = [image for chunk in pending for image in chunk]
        total = self.n_resumed + len(tasks)
        with show_progress('proposals', total, self.n_resumed) as advance:
            results = map_in_processes(function, tasks, workers)
            for i, (images, known) in enumerate(zip(pending, done, strict=True)):
                for image_id, _ in images:
                    result = next(results)
                    advance()
                    if isinstance(result, str):
                        self.broken.append(BrokenImage(image_id, result))
                    else:
                        known[image_id] = result
                if images:
                    save_proposals(self._path(i), known)

    def collect(self) -> dict[int, FoundBoxes]:
        """Put the chunks together."""
        found: dict[int, FoundBoxes] = {}
        for i in range(len(self.chunks)):
            found |= self._read(i)
        return found

    def _path(self, index: int) -> Path:
        return self.folder / f'chunk-{index:06d}.npz'

    def _read(self, index: int) -> dict[int, FoundBoxes]:
        path = self._path(index)
        return read_proposals(path) if path.exists() else {}


@contextmanager
def _working_in(
    out: Path, signature: RunSignature, overwrite: bool
) -> Iterator[RunFolder]:
    """Claim the folder of a run; it goes when its header has gone."""
    folder = RunFolder(out)
    with folder.guard():
        folder.claim(Shard(), signature.digest, overwrite)
        try:
            header = folder.header_file
            if overwrite:
                for path in folder.path.glob('chunk-*.npz'):
                    path.unlink()
            elif header.exists():
                before = RunSignature(read_json(header))
                signature.check_same(before, folder.path)
            atomic_write_json(header, dict(signature.ingredients))
            # It speaks of the output that is there now. Whatever is there when this
            # run ends early is then known by the header in the folder.
            header_path(out).unlink(missing_ok=True)
        except BaseException:
            folder.release()
            raise
    try:
        yield folder
    finally:
        with folder.guard():
            folder.release()


def _is_complete(out: Path, signature: RunSignature) -> bool:
    """Tell whether the output is that of this very run, and the run is complete.

    Raises:
        ValueError: If it is another one's.
    """
    if not out.exists():
        return False
    header = header_path(out)
    if not header.exists():
        # The last run was ended after it had claimed or written the output.
        if RunFolder(out).header_file.exists():
            return False
        raise ValueError(f'{out} exists already; choose another output, or --overwrite')
    signature.check_same(RunSignature(read_json(header)), out)
    return True


@functools.cache
def _build_provider(config: str) -> ProposalProvider:
    """Build a provider once a process.

    Raises:
        ValueError: If it does not take the arguments.
    """
    arguments = json.loads(config)
    with building(f'the provider {arguments["type"]}'):
        return TASK_UTILS.build(arguments)


def _propose(config: str, image_dir: Path, image: _Image) -> FoundBoxes | str:
    """Propose boxes of an image; return why there are none if it cannot be read."""
    image_id, file_name = image
    path = image_dir / file_name
    try:
        check_not_truncated(str(path))
        pixels = np.ascontiguousarray(read_image(path)[..., ::-1])
    except (OSError, ValueError, BrokenImageError) as error:
        return str(error)
    found = _build_provider(config).propose(pixels, image_id, file_name)
    return FoundBoxes(found.boxes, found.scores)


def _summarize(
    found: Mapping[int, FoundBoxes],
    n_images: int,
    n_resumed: int,
    broken: tuple[BrokenImage, ...],
) -> ProposalSummary:
    numbers = [len(item.boxes) for item in found.values()]
    n_empty = n_images - sum(number > 0 for number in numbers)
    return ProposalSummary(n_images, sum(numbers), n_empty, n_resumed, broken)


def _positive(what: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ValueError(f'{what} is a number of images, not {value}')
    return value
