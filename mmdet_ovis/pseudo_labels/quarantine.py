"""Images that could not be processed: listed, counted, never replaced in silence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..utils.io import atomic_write_text
from .signature import canonical_json

DEFAULT_MAX_BROKEN = 0.05
ALWAYS_TOLERATED = 10


class TooManyBrokenError(ValueError):
    """More images could not be processed than the job tolerates."""


@dataclass(frozen=True)
class BrokenImage:
    """An image in quarantine."""

    image_id: int
    reason: str


def read_quarantine(path: str | Path) -> list[BrokenImage]:
    """Read the list that :class:`Quarantine` writes.

    Args:
        path (str | Path): A JSON-lines file.

    Returns:
        list[BrokenImage]: In the order of the file; none if there is no such file.

    Raises:
        ValueError: If a line is damaged; the message names file and line.
    """
    path = Path(path)
    if not path.exists():
        return []
    images = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = json.loads(line)
            image = BrokenImage(entry['image_id'], entry['reason'])
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f'{path}: line {number} is not an image in quarantine '
                '{"image_id": ..., "reason": ...}; remove the file, or start over with '
                '--overwrite'
            ) from None
        images.append(image)
    return images


class Quarantine:
    """The broken images of a run.

    Args:
        path (Path): JSON-lines file that lists them. There is none without broken
            images.
        n_images (int): Images of the run.
        max_broken (float, optional): Share of the images that may be broken, in
            [0, 1]. Defaults to None: 5 %, and up to 10 images in a small run, but not
            more than half of it.

    Raises:
        ValueError: If ``max_broken`` is not a share.
    """

    def __init__(
        self, path: Path, n_images: int, max_broken: float | None = None
    ) -> None:
        if max_broken is not None and not 0 <= max_broken <= 1:
            raise ValueError(f'max_broken is a share in [0, 1], not {max_broken}')
        self.path = path
        self.n_images = n_images
        self.images: list[BrokenImage] = []
        if max_broken is None:
            always = min(ALWAYS_TOLERATED, n_images / 2)
            self.tolerated = int(max(DEFAULT_MAX_BROKEN * n_images, always))
        else:
            self.tolerated = int(max_broken * n_images)

    def replace(self, images: Iterable[BrokenImage]) -> None:
        """Take in all images that are broken by now, in dataset order."""
        self.images = list(images)

    def save(self, temporary_dir: Path | None = None) -> None:
        """Write the list, or remove that of an earlier call if it is now empty."""
        if not self.images:
            self.path.unlink(missing_ok=True)
            return
        lines = (f'{canonical_json(asdict(image))}\n' for image in self.images)
        atomic_write_text(self.path, ''.join(lines), temporary_dir)

    def check(self) -> None:
        """Insist that the number is tolerable.

        Raises:
            TooManyBrokenError: If not; the message names the first image, its reason,
                the list and the remedy.
        """
        if len(self.images) <= self.tolerated:
            return
        first = self.images[0]
        raise TooManyBrokenError(
            f'{len(self.images)} of {self.n_images} images cannot be processed '
            f'(tolerated: {self.tolerated}), the first is image_id {first.image_id}: '
            f'{first.reason}. All are listed in {self.path}; what is done so far is '
            'kept. Repair the images, or raise --max-broken, and repeat the command'
        )
