"""From captions to the words of a vocabulary in them, as a job."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from ..datasets.captions import CaptionedImage, caption_files, iter_captioned_images
from ..datasets.converters.output import check_output
from ..datasets.word_files import ImageList, read_caption_words
from ..language.caption_words import CaptionWordParser, make_word_parser
from ..structures.vocabulary import Vocabulary, name_key
from ..utils.io import atomic_write_json
from ..utils.parallel import map_in_processes
from ..utils.progress import show_progress

_BATCH: Final = 256
_SHOWN: Final = 10


@dataclass(frozen=True)
class ParsingReport:
    """What came of a job.

    Attributes:
        out (Path): The file of words.
        n_images (int): Images with a caption.
        n_with_words (int): Images among them whose captions hold a word.
        words (Counter): Images by word.
        never (tuple[str, ...]): Names that no word stands for.
        seconds (float): That parsing took.
    """

    out: Path
    n_images: int
    n_with_words: int
    words: Counter
    never: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        """Text for a terminal."""
        frequent = ', '.join(f'{w} {n}' for w, n in self.words.most_common(_SHOWN))
        lines = [
            f'{self.out}: {self.n_with_words} of {self.n_images} images with words, '
            f'{len(self.words)} different ones '
            f'({self.n_images / self.seconds:.0f} images/s)',
            f'  most frequent: {frequent}',
        ]
        if self.never:
            more = ', ...' * (len(self.never) > _SHOWN)
            lines.append(
                f'  never seen: {len(self.never)} names '
                f'({", ".join(self.never[:_SHOWN])}{more})'
            )
        return '\n'.join(lines)


def parse_captions(
    captions: str | os.PathLike,
    vocabulary: Vocabulary,
    out: str | os.PathLike,
    mode: str = 'fixed',
    backend: str = 'simple',
    classes: Sequence[str] = (),
    workers: int = 0,
    sources: Sequence[str | os.PathLike] = (),
) -> ParsingReport:
    """Find the words of a vocabulary in captions, and write them to a file.

    Args:
        captions (str | PathLike): Captions, see
            :func:`~mmdet_ovis.datasets.captions.iter_captioned_images`.
        vocabulary (Vocabulary): Names with synonyms.
        out (str | PathLike): File to write, see
            :func:`~mmdet_ovis.datasets.word_files.read_caption_words`.
        mode (str): ``'fixed'`` or ``'parity'``, see
            :mod:`mmdet_ovis.language.caption_words`.
        backend (str): ``'simple'`` or ``'spacy'``.
        classes (Sequence[str]): Classes of a data set whose names are used where they
            are the same thing, see
            :func:`~mmdet_ovis.language.shared_names.shared_names`.
        workers (int): Processes; 0 works in this one.
        sources (Sequence[str | PathLike]): Further files that were read, such as that
            of the vocabulary: none of them is the output.

    Returns:
        ParsingReport: Counts.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, its captions hold no word, the output is a folder
            or one of the files that are read, mode or backend are unknown, or spaCy is
            missing.
    """
    out = check_output(out, [*caption_files(captions), *sources])
    settings = (vocabulary, mode, backend, tuple(classes))
    names = _parser_of(*settings).names  # says what is wrong, before the work begins
    everything = list(iter_captioned_images(captions))
    images = [image for image in everything if image.captions]
    batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
    words: Counter = Counter()
    seen: set[int] = set()
    entries: list[dict[str, Any]] = []
    n_with_words = 0
    start = time.monotonic()
    with show_progress('captions', len(images)) as advance:
        find = partial(_find_words, settings)
        for results in map_in_processes(find, batches, workers, chunksize=1):
            for image_id, found in results:
                n_with_words += bool(found)
                words.update(found.keys())
                seen.update(found.values())
                entries += (
                    {'image_id': image_id, 'word': word, 'name': names[label]}
                    for word, label in found.items()
                )
                advance()
    seconds = time.monotonic() - start
    if not entries:
        raise ValueError(
            f'{captions}: the captions of its {len(images)} images hold no word of the '
            f'{len(names)} names ({", ".join(names[:5])}, ...)'
        )
    info = {
        'mode': mode,
        'backend': backend,
        'source_names': list(vocabulary.names),
        'images': asdict(ImageList.of(everything)),
    }
    content = {'info': info, 'vocabulary': list(names), 'words': entries}
    atomic_write_json(out, content)
    never = tuple(name for i, name in enumerate(names) if i not in seen)
    return ParsingReport(out, len(images), n_with_words, words, never, seconds)


def caption_word_vocabulary(path: str | os.PathLike) -> Vocabulary:
    """Return the names in a file of words, and behind them the words themselves.

    Args:
        path (str | PathLike): What :func:`parse_captions` writes.

    Returns:
        Vocabulary: Names in their order, then the words that are no names, sorted.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of words.
    """
    words = read_caption_words(path)
    names = dict.fromkeys(map(name_key, words.vocabulary))
    others = {word for found in words.by_image.values() for word in found}
    others = {name_key(word) for word in others} - names.keys()
    return Vocabulary((*words.vocabulary, *sorted(others)))


@cache
def _parser_of(
    vocabulary: Vocabulary, mode: str, backend: str, classes: tuple[str, ...]
) -> CaptionWordParser:
    """Make the parser of a process; forked ones inherit it."""
    return make_word_parser(vocabulary, mode, backend, classes)


def _find_words(
    settings: tuple, images: Sequence[CaptionedImage]
) -> list[tuple[int, dict[str, int]]]:
    parser = _parser_of(*settings)
    return [(image.image_id, parser(image.captions)) for image in images]
