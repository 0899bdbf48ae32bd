"""The small file that says which run a result belongs to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..utils.io import atomic_write_text, read_json
from .chunks import Counts
from .signature import RunSignature, canonical_json

WORK_KEY = 'work'
"""Ingredient that the store adds: which images, cut into which chunks."""


def header_path(out: str | Path) -> Path:
    """Where the header of a complete run stands: beside its output."""
    out = Path(out)
    return out.with_name(f'{out.name}.run.json')


@dataclass(frozen=True)
class RunHeader:
    """What stands in ``run.json`` while a run goes on, and beside its output after.

    Args:
        signature (RunSignature): Identity of the run.
        counts (Counts): Results; zero while the run goes on.
        n_bytes (int): Size of the output; zero while the run goes on.
    """

    signature: RunSignature
    counts: Counts = field(default_factory=Counts)
    n_bytes: int = 0

    def save(self, path: Path, temporary_dir: Path | None = None) -> None:
        """Write the header atomically."""
        entry = {
            'signature': self.signature.digest,
            'ingredients': self.signature.ingredients,
            'counts': asdict(self.counts),
            'n_bytes': self.n_bytes,
        }
        atomic_write_text(path, f'{canonical_json(entry)}\n', temporary_dir)

    @classmethod
    def load(cls, path: Path) -> RunHeader:
        """Read a header.

        Raises:
            ValueError: If the file is none.
        """
        entry = read_json(path)
        try:
            signature = RunSignature(entry['ingredients'])
            return cls(signature, Counts(**entry['counts']), entry['n_bytes'])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f'{path} is not a run header ({error!r}); start over with --overwrite'
            ) from None

    def check_output(self, out: Path) -> None:
        """Insist that the output is as the run left it, by its size.

        Raises:
            ValueError: If not.
        """
        if out.stat().st_size != self.n_bytes:
            raise ValueError(
                f'{out} was changed after the run that wrote it; choose another output '
                'or replace it with --overwrite'
            )


def completed_counts(out: str | Path, signature: RunSignature) -> Counts | None:
    """Look whether a run is complete, without knowing its list of images.

    Args:
        out (str | Path): Output of the run.
        signature (RunSignature): As given to the store.

    Returns:
        Counts | None: Its results; None if the output is absent or of another run,
        which the store will name.
    """
    out, path = Path(out), header_path(out)
    if not (out.is_file() and path.is_file()):
        return None
    header = RunHeader.load(path)
    ingredients = dict(header.signature.ingredients)
    ingredients.pop(WORK_KEY, None)
    if RunSignature(ingredients).digest != signature.digest:
        return None
    header.check_output(out)
    return header.counts
