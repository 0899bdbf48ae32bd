"""Pictures and files of the words that are found in images and videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.logging import MMLogger

from ...utils.image import read_image, write_image
from ...utils.progress import show_progress
from ...utils.settings import check_choice
from ...visualization.detections import draw_detections
from .detection_results import JSON_FORMATS, CocoResults, ResultFile, RleResults
from .media import Video, is_video, list_media, open_video, output_stems
from .ovis_inferencer import OVISInferencer

COCO_FILE = 'detections.json'


@dataclass
class DemoReport:
    """What came of a job.

    Attributes:
        written (list[Path]): Files, in the order of writing.
        skipped (dict[Path, str]): Inputs that could not be read, with the reason.
        instances (int): Detections in all.
    """

    written: list[Path] = field(default_factory=list)
    skipped: dict[Path, str] = field(default_factory=dict)
    instances: int = 0

    @property
    def exit_code(self) -> int:
        """0, or 1 if an input was skipped."""
        return int(bool(self.skipped))

    def skip(self, path: Path, error: Exception) -> None:
        """Note an input that cannot be read."""
        MMLogger.get_current_instance().warning('skipped: %s', error)
        self.skipped[path] = str(error)

    def __str__(self) -> str:
        lines = [f'{len(self.written)} files written, {self.instances} instances found']
        if self.skipped:
            lines.append(f'{len(self.skipped)} inputs could not be read:')
            lines += [f'  {reason}' for reason in self.skipped.values()]
        return '\n'.join(lines)


def detect_media(
    inferencer: OVISInferencer,
    paths: Sequence[str | os.PathLike],
    out_dir: str | os.PathLike = 'work_dirs/image_demo',
    save_json: str = 'coco',
    batch_size: int = 1,
    drawn: int = 20,
) -> DemoReport:
    """Find words in images and videos, draw them, and write them as JSON.

    Images become ``<name>.png``, videos ``<name>.mp4``, and the JSON file has them in
    the order of the inputs. What cannot be read is skipped and listed in the report; of
    a video that ends early, the frames before are taken, with a warning.

    Args:
        inferencer (OVISInferencer): With its vocabulary.
        paths (Sequence[str | PathLike]): See :func:`.media.list_media`.
        out_dir (str | PathLike): Where files go.
        save_json (str): ``'coco'`` for one COCO file ``detections.json``, or ``'rle'``
            for ``<name>.json`` (an image) and ``<name>.jsonl`` (a video, a frame a
            line).
        batch_size (int): Images that the network is given at once.
        drawn (int): Instances that are drawn an image, best first.

    Returns:
        DemoReport: What was written, and what was skipped.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If there is no input, or an option is out of its range.
    """
    check_choice('save_json', save_json, JSON_FORMATS)
    if batch_size < 1 or drawn < 0:
        raise ValueError('batch_size is at least 1, drawn at least 0')
    media = list_media(paths)
    names = inferencer.dataset_meta['classes']
    results: ResultFile = RleResults(names)
    if save_json == 'coco':
        results = CocoResults(Path(out_dir, COCO_FILE), names)
    report = DemoReport()
    job = _Job(inferencer, results, report, batch_size, drawn)
    with show_progress('inference', len(media), unit='files') as advance:
        stems = dict(zip(media, output_stems(media, out_dir), strict=True))
        for path in media:
            if is_video(path):
                job.flush(advance)  # what was named before it comes before it
                job.add_video(path, stems[path])
                advance()
            else:
                job.add_image(path, stems[path], advance)
        job.flush(advance)
    report.written += results.write()
    return report


@dataclass
class _Job:
    """Images that wait for a batch to be full, and where everything goes."""

    inferencer: OVISInferencer
    results: ResultFile
    report: DemoReport
    batch_size: int
    drawn: int
    waiting: list[tuple[Path, Path, np.ndarray]] = field(default_factory=list)

    def add_image(self, path: Path, stem: Path, advance: Callable[[], None]) -> None:
        try:
            image = read_image(path)
        except (ValueError, OSError) as error:
            self.report.skip(path, error)
            advance()
            return
        self.waiting.append((path, stem, image))
        if len(self.waiting) == self.batch_size:
            self.flush(advance)

    def flush(self, advance: Callable[[], None]) -> None:
        samples = self._predict([image for _, _, image in self.waiting])
        for (path, stem, image), sample in zip(self.waiting, samples, strict=True):
            picture = stem.with_name(f'{stem.name}.png')
            write_image(picture, self._draw(image, sample, 'instance'))
            self.results.add(path, stem, sample)
            self.report.written.append(picture)
            advance()
        self.waiting = []

    def add_video(self, path: Path, stem: Path) -> None:
        try:
            video = Video(path)
        except (ValueError, OSError) as error:
            self.report.skip(path, error)
            return
        number_read = 0
        frames = enumerate(video)
        target = stem.with_name(f'{stem.name}.mp4')
        with (
            show_progress(path.name, len(video), unit='frames') as advance,
            open_video(target, video.fps) as writer,
        ):
            while batch := list(islice(frames, self.batch_size)):
                images = [np.ascontiguousarray(bgr[..., ::-1]) for _, bgr in batch]
                samples = self._predict(images)
                for (number, _), image, sample in zip(
                    batch, images, samples, strict=True
                ):
                    writer.write(self._draw(image, sample, 'label'))
                    self.results.add(path, stem, sample, number)
                    number_read += 1
                    advance()
        if not number_read:
            error = ValueError(f'{path} has no frame that can be decoded')
            self.report.skip(path, error)
            return
        if number_read < len(video):
            MMLogger.get_current_instance().warning(
                '%s ends early: %d of its %d frames can be decoded',
                path,
                number_read,
                len(video),
            )
        self.report.written.append(target)

    def _predict(self, images: Sequence[np.ndarray]) -> list[DetDataSample]:
        """Run the detector on RGB images."""
        bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]
        samples = self.inferencer(bgr, self.batch_size)
        self.report.instances += sum(len(s.pred_instances) for s in samples)
        return samples

    def _draw(
        self, image: np.ndarray, sample: DetDataSample, color_by: str
    ) -> np.ndarray:
        found = sample.pred_instances
        return draw_detections(
            image,
            found.bboxes.numpy(),
            found.labels.numpy(),
            found.scores.numpy(),
            found.masks.numpy() if 'masks' in found else None,
            self.inferencer.dataset_meta['classes'],
            self.drawn,
            color_by,
        )
