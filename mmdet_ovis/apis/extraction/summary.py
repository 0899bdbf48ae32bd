"""What an extraction amounts to, for people and for machines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from terminaltables import AsciiTable

from ...pseudo_labels.chunks import Counts
from ...pseudo_labels.quarantine import BrokenImage
from ...pseudo_labels.shards import Shard
from ...utils.io import atomic_write_json

_SHOWN = 5


@dataclass(frozen=True)
class ExtractionSummary:
    """Results of an extraction, or of one of its shards while others go on.

    Args:
        out (str): The output file.
        n_images (int): Images in it, or of the shard.
        n_resumed (int): How many of them earlier calls or other shards had done.
        n_masks (int): Masks in it.
        masks_per_image (float): Mean over the images that could be processed.
        empty_share (float): Share of those images without a mask.
        mean_gt_iou (float, optional): Mean over masks of the best IoU with a seen
            instance; None where no mask was compared with any.
        n_quarantined (int): Images that could not be processed.
        quarantine (list[BrokenImage]): The first of them.
        quarantine_file (str, optional): Where all of them are listed.
        seconds (dict[str, float]): ``reading`` and ``network`` of this process, what
            the source measures summed over workers, and ``total`` on the clock; of this
            call only, empty if there was nothing left to do.
        images_per_second (float): Of this call, 0 if there was nothing left to do.
        shard (str): What this call worked on.
        n_missing (int): Images of other shards that have no result yet; as long as
            there are any, there is no output.
        dropped (dict[str, int]): Words of which nothing was made, by reason, where the
            job looks for words; ``<out>.dropped.jsonl`` lists them.
    """

    out: str
    n_images: int
    n_resumed: int
    n_masks: int
    masks_per_image: float
    empty_share: float
    mean_gt_iou: float | None
    n_quarantined: int
    quarantine: list[BrokenImage] = field(default_factory=list)
    quarantine_file: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: float = 0.0
    shard: str = str(Shard())
    n_missing: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        out: str | os.PathLike,
        counts: Counts,
        n_resumed: int,
        broken: Sequence[BrokenImage] = (),
        seconds: Mapping[str, float] | None = None,
        shard: str = str(Shard()),
        n_missing: int = 0,
    ) -> ExtractionSummary:
        """Make a summary of counts and times."""
        seconds = {key: round(value, 3) for key, value in (seconds or {}).items()}
        processed = counts.n_images - counts.n_broken
        total = seconds.get('total', 0.0)
        return cls(
            out=str(out),
            n_images=counts.n_images,
            n_resumed=n_resumed,
            n_masks=counts.n_masks,
            masks_per_image=_ratio(counts.n_masks, processed),
            empty_share=_ratio(counts.n_empty, processed),
            mean_gt_iou=(
                counts.sum_gt_iou / counts.n_compared if counts.n_compared else None
            ),
            n_quarantined=counts.n_broken,
            quarantine=list(broken[:_SHOWN]),
            quarantine_file=f'{out}.quarantine.jsonl' if counts.n_broken else None,
            seconds=seconds,
            images_per_second=_ratio(counts.n_images - n_resumed, total),
            shard=shard,
            n_missing=n_missing,
            dropped=dict(counts.dropped),
        )

    @property
    def is_complete(self) -> bool:
        """Whether the output is there."""
        return not self.n_missing

    def save(self, temporary_dir: Path | None = None) -> Path:
        """Write ``<out>.summary.json`` and return its path."""
        path = Path(f'{self.out}.summary.json')
        atomic_write_json(path, asdict(self), indent=2, temporary_dir=temporary_dir)
        return path

    def _gt_iou_row(self) -> list[list[str]]:
        if self.mean_gt_iou is None:
            return []
        return [['mean gt_iou', f'{self.mean_gt_iou:.3f}']]

    def table(self) -> str:
        """Format the summary for a terminal."""
        alone = self.n_missing or self.shard == str(Shard())
        before = 'before' if alone else 'before or by other shards'
        rows = [
            ['images', f'{self.n_images} ({self.n_resumed} done {before})'],
            ['masks', f'{self.n_masks} ({self.masks_per_image:.2f} an image)'],
            ['images without a mask', f'{self.empty_share:.1%}'],
            *self._gt_iou_row(),
            ['quarantined', str(self.n_quarantined)],
            *([f'words dropped: {why}', str(n)] for why, n in self.dropped.items()),
            *([f'{stage} (s)', f'{s:.1f}'] for stage, s in self.seconds.items()),
            ['images/s', f'{self.images_per_second:.2f}'],
        ]
        table = AsciiTable(rows, Path(self.out).name)
        table.inner_heading_row_border = False
        lines = [table.table]
        if self.n_missing:
            lines.append(
                f'{self.shard} is done; {self.n_missing} images of other shards have '
                'no result yet'
            )
        if self.n_quarantined:
            lines.append(f'images that could not be processed: {self.quarantine_file}')
            lines += [
                f'  {image.image_id}: {image.reason}' for image in self.quarantine
            ]
        return '\n'.join(lines)


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole else 0.0
