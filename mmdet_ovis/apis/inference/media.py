"""What a user points at: images, folders, patterns and videos."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import mmcv
import numpy as np

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')

_WRITTEN = ('.png', '_explain.png', '.mp4')
_FPS = 25.0  # where a video does not say


def is_video(path: str | os.PathLike) -> bool:
    """Tell a video by its suffix.

    Examples:
        >>> is_video('a.MP4'), is_video('a.jpg')
        (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def list_media(paths: Sequence[str | os.PathLike], videos: bool = True) -> list[Path]:
    """Expand folders and patterns into the files they hold, sorted by name.

    Args:
        paths (Sequence[str | PathLike]): Files, folders, and patterns with ``*``, ``?``
            or ``[...]``; ``**`` stands for any depth of folders. A file that is named
            outright is taken whatever its suffix.
        videos (bool): Take videos too.

    Returns:
        list[Path]: In the order given, each file once.

    Raises:
        FileNotFoundError: If a path does not exist, or nothing matches a pattern.
        ValueError: If nothing is found.
    """
    suffixes = (*IMAGE_SUFFIXES, *(VIDEO_SUFFIXES if videos else ()))
    found: list[Path] = []
    for text in map(os.fspath, paths):
        path = Path(text)
        if path.is_file():
            found.append(path)
        elif path.is_dir():
            found += _files(path.iterdir(), suffixes)
        elif glob.has_magic(text):
            matches = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
            if not matches:
                raise FileNotFoundError(f'nothing matches {text}')
            found += _files(matches, suffixes)
        else:
            raise FileNotFoundError(f'no such image or folder: {text}')
    if not found:
        raise ValueError(f'no image in {", ".join(map(str, paths))}')
    return list(dict.fromkeys(found))


def _files(paths: Sequence[Path] | Iterator[Path], suffixes: tuple) -> list[Path]:
    return sorted(p for p in paths if p.is_file() and p.suffix.lower() in suffixes)


def output_stems(
    paths: Sequence[str | os.PathLike], out_dir: str | os.PathLike
) -> list[Path]:
    """Name the output of each file, without suffix; no two are the same.

    Args:
        paths (Sequence[str | PathLike]): Files.
        out_dir (str | PathLike): Where output goes.

    Raises:
        ValueError: If an input would be overwritten.

    Examples:
        >>> [p.as_posix() for p in output_stems(['a/1.jpg', 'b/1.jpg', 'b/2.png'], 'o')]
        ['o/1', 'o/1_2', 'o/2']
    """
    inputs = {Path(path).resolve() for path in paths}
    names = [Path(path).stem for path in paths]
    taken = set(names)
    seen: set[str] = set()
    stems = []
    for name in names:
        unique, number = name, 1
        while unique in (taken if name in seen else ()):
            number += 1
            unique = f'{name}_{number}'
        seen.add(name)
        taken.add(unique)
        stems.append(Path(out_dir, unique))
        for suffix in _WRITTEN:
            target = stems[-1].with_name(f'{unique}{suffix}')
            if target.resolve() in inputs:
                raise ValueError(
                    f'{target} is an input and would be overwritten; choose another '
                    '--out-dir'
                )
    return stems


class Video:
    """The frames of a video, in order.

    Args:
        path (str | PathLike): The file.

    Attributes:
        fps (float): Frames a second; 25 if the file does not say.

    Raises:
        ValueError: If it is not a video that can be decoded.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._reader = mmcv.VideoReader(str(path), cache_capacity=1)
        if self._reader.frame_cnt < 1 or not self._reader.width:
            raise ValueError(f'{path} is not a video that can be decoded')
        self.fps = float(self._reader.fps) or _FPS

    def __len__(self) -> int:
        """Frames, as the file says; fewer may be readable."""
        return self._reader.frame_cnt

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) uint8, BGR."""
        yield from self._reader


class VideoWriter:
    """Writes frames of one size, see :func:`open_video`."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8, RGB; its size is made even."""
        height, width = (side - side % 2 for side in frame.shape[:2])
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(
                str(self._path), codec, self._fps, (width, height)
            )
            if not self._writer.isOpened():
                raise OSError(f'cannot write the video {self._path}')
        bgr = np.ascontiguousarray(frame[:height, :width, ::-1])
        self._writer.write(bgr)

    def close(self) -> bool:
        """Finish the file; tells whether there is one."""
        if self._writer is None:
            return False
        self._writer.release()
        return True


@contextmanager
def open_video(path: str | os.PathLike, fps: float) -> Iterator[VideoWriter]:
    """Open an ``.mp4`` for writing that appears under its name when it is complete.

    Args:
        path (str | PathLike): Where to.
        fps (float): Frames a second.

    Yields:
        VideoWriter: Takes the frames.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.stem}.part{path.suffix}')
    writer = VideoWriter(part, fps)
    try:
        yield writer
        if writer.close():
            part.replace(path)
    finally:
        writer.close()
        part.unlink(missing_ok=True)
