"""Which run the files of an output belong to, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .chunks import Counts
from .run_header import RunHeader, header_path
from .signature import RunSignature


class RunState:
    """What stands at an output, seen by a run that wants to write there.

    Whatever is found may change at once, unless the guard of the folder is held.

    Args:
        out (Path): The output.
        signature (RunSignature): Of the run that asks.
        parts_header (Path): Header in the folder of a run that goes on.
    """

    def __init__(self, out: Path, signature: RunSignature, parts_header: Path) -> None:
        self.out = out
        self.signature = signature
        self.header = header_path(out)
        self.parts_header = parts_header

    def is_complete(self) -> bool:
        """Tell whether this very run is complete."""
        return self.out.exists() and self._is_of_this_run(self.header)

    def find_complete(self) -> Counts | None:
        """Look for a complete run.

        Returns:
            Counts | None: Its results; None if there is none.

        Raises:
            SignatureMismatchError: If it has other settings.
            ValueError: If its output was changed after it.
        """
        if not (self.header.exists() and self.out.exists()):
            return None
        header = RunHeader.load(self.header)
        self.signature.check_same(header.signature, self.out)
        header.check_output(self.out)
        return header.counts

    def check_parts(self) -> None:
        """Insist that no other run has results where this one will put its own.

        Raises:
            SignatureMismatchError: If a run with other settings goes on.
            ValueError: If the output is not of a run.
        """
        if self.parts_header.exists():
            header = RunHeader.load(self.parts_header)
            self.signature.check_same(header.signature, self.parts_header.parent)
        elif self.out.exists():
            raise ValueError(
                f'{self.out} exists, but nothing says which run wrote it; choose '
                'another output or replace it with --overwrite'
            )

    def begin(self, overwrite: bool, own: Iterable[Path]) -> bool:
        """Take the folder over, unless this very run has it already; under the guard.

        Args:
            overwrite (bool): Another run may be thrown away, and what this process has
                to do is started over.
            own (Iterable[Path]): Files of what this process has to do.

        Returns:
            bool: Whether anything was started over.

        Raises:
            SignatureMismatchError: If another run has it and is not to be thrown away.
        """
        if not overwrite:
            self.check_parts()
        if not self._is_of_this_run(self.parts_header):
            for path in self.parts_header.parent.iterdir():
                if path.suffix != '.lock':
                    path.unlink(missing_ok=True)
            RunHeader(self.signature).save(self.parts_header)
        elif overwrite:
            for path in own:
                path.unlink(missing_ok=True)
        else:
            return False
        self.header.unlink(missing_ok=True)
        return True

    def _is_of_this_run(self, path: Path) -> bool:
        try:
            header = RunHeader.load(path)
        except (FileNotFoundError, ValueError):
            return False  # nothing, or what is to be thrown away
        return header.signature.digest == self.signature.digest
