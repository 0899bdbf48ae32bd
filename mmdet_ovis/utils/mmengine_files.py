"""What mmengine does with files, made to keep this project's promises.

mmengine 0.10.12 falls back to an unrestricted unpickling when the restricted one
refuses a checkpoint, so a booby-trapped file runs what it likes; and it writes files in
place, so a kill at that moment leaves half a file under its name. Importing this module
replaces both: whatever mmengine loads goes through ``mmdet_ovis.utils.checkpoint``, and
its local files are written whole or not at all. ``torchvision://`` without torchvision
ends in one line.
"""

from __future__ import annotations

import os
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from .checkpoint import load_checkpoint, load_checkpoint_stream, load_checkpoint_url
from .io import atomic_write_bytes
from .packages import import_optional


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict:
    """Load a local checkpoint strictly; mmengine calls this for every file."""
    return load_checkpoint(filename, map_location=map_location)


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
) -> dict:
    """Load a checkpoint of the web strictly.

    mmengine calls this for ``https://``, ``torchvision://`` and its other names of
    released models.
    """
    return load_checkpoint_url(
        url, map_location, model_dir=model_dir, progress=progress
    )


def load_torch_file(file: Any, map_location: Any = None) -> dict:
    """Load a file or stream strictly; mmengine calls this for its other stores."""
    if isinstance(file, str | os.PathLike):
        return load_checkpoint(file, map_location=map_location)
    return load_checkpoint_stream(file, 'the checkpoint', map_location)


_urls_of_torchvision = mmengine_checkpoint.get_torchvision_models


def get_torchvision_models() -> dict[str, str]:
    """Return the addresses of torchvision's weights by name, if it is installed."""
    import_optional(
        'torchvision', 'torchvision', 'a checkpoint named torchvision://...'
    )
    return _urls_of_torchvision()


# Not every loader of mmengine goes through its registry: they call each other.
mmengine_checkpoint.load_url = load_url
mmengine_checkpoint._safe_torch_load = load_torch_file
mmengine_checkpoint.get_torchvision_models = get_torchvision_models


@register_backend('local', force=True, prefixes='')
class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written as ``mmdet_ovis.utils.io`` writes them."""

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes; the file appears under its name when it is complete.

        Raises:
            OSError: If it cannot be written, for example because the disk is full. A
                file that had this name before is still there.
        """
        atomic_write_bytes(filepath, obj)

    def put_text(
        self, obj: str, filepath: str | os.PathLike, encoding: str = 'utf-8'
    ) -> None:
        """Write text in the same way."""
        self.put(obj.encode(encoding), filepath)
