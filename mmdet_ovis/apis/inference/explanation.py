"""Why the pseudo mask of a word would be where it is: activation, prompt and box."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from ...language.captions import MAX_WORDS, clean_caption
from ...language.noun_parser import NounParser
from ...language.surface import embedding_text
from ...structures.phrase import Phrase
from ...structures.vocabulary import Vocabulary
from ...utils.image import read_image, write_image
from ...utils.progress import show_progress
from ...visualization.activation_panel import ExplainedWord, draw_explanation
from .explainer import Evidence, Explainer, Explanation
from .media import is_video, list_media, output_stems
from .ovis_demo import DemoReport

MAX_EXPLAINED: Final = 24

_PREFIX, _AND = 'a photo of ', ' and '


def caption_of(
    vocabulary: Vocabulary, caption: str | None = None
) -> tuple[list[str], list[list[Phrase]]]:
    """Say words in captions.

    Args:
        vocabulary (Vocabulary): The words.
        caption (str, optional): One that names some of them. Defaults to None: they are
            listed, "a photo of dog and traffic cone", in several captions if one would
            be too long for the model.

    Returns:
        tuple[list[str], list[list[Phrase]]]: Cleaned captions, and the words in each.

    Raises:
        ValueError: If the caption names no word, or there are too many words.

    Examples:
        >>> captions, phrases = caption_of(Vocabulary.parse('dog. traffic cone'))
        >>> captions, phrases[0][1]
        (['a photo of dog and traffic cone'], \
Phrase(name='traffic cone', text='traffic cone', start=19, end=31))
    """
    if caption is not None:
        cleaned = clean_caption(caption)
        phrases = NounParser(vocabulary)(cleaned)
        if not phrases:
            raise ValueError(f'the caption {caption!r} names none of the words')
        return [cleaned], [phrases]
    if len(vocabulary) > MAX_EXPLAINED:
        raise ValueError(
            f'up to {MAX_EXPLAINED} words are explained, not {len(vocabulary)}; name '
            'those of interest (--texts, --caption)'
        )
    captions, found = [_PREFIX], [[]]
    for name in vocabulary.names:
        text = clean_caption(embedding_text(name))
        joined = f'{captions[-1]}{_AND if found[-1] else ""}'
        if found[-1] and len(f'{joined}{text}'.split()) > MAX_WORDS:
            captions.append(_PREFIX)
            found.append([])
            joined = _PREFIX
        start = len(joined)
        captions[-1] = f'{joined}{text}'
        found[-1].append(Phrase(name, text, start, start + len(text)))
    return captions, found


def draw_image_explanation(image: np.ndarray, explanation: Explanation) -> np.ndarray:
    """Draw an explanation.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        explanation (Explanation): Of this image.

    Returns:
        np.ndarray: One RGB image, a row a word.
    """
    words = [
        ExplainedWord(
            each.activation.phrase.name,
            each.activation.box_map,
            each.activation.prompt,
            each.choice and each.choice.box,
            _note(each, len(explanation.proposals.boxes)),
            each.activation.p_match,
        )
        for each in explanation.evidence
    ]
    header = [f'caption: {caption}' for caption in explanation.captions]
    return draw_explanation(image, words, explanation.proposals.boxes, header)


def _note(evidence: Evidence, num_proposals: int) -> str:
    if evidence.activation.flags:
        return 'nothing stands out'
    if evidence.choice is None:
        return 'no proposal'
    return f'confidence {evidence.choice.box_conf:.2f}, {num_proposals} boxes'


def explain_media(
    explainer: Explainer,
    paths: Sequence[str | os.PathLike],
    vocabulary: Vocabulary,
    caption: str | None = None,
    out_dir: str | os.PathLike = 'work_dirs/image_demo',
) -> DemoReport:
    """Explain images and write ``<name>_explain.png`` for each.

    Args:
        explainer (Explainer): The explainer.
        paths (Sequence[str | PathLike]): Images, folders and patterns; videos are left
            out.
        vocabulary (Vocabulary): The words.
        caption (str, optional): See :func:`caption_of`.
        out_dir (str | PathLike): Where pictures go.

    Returns:
        DemoReport: What was written, and what was skipped.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If there is no image, or the caption names no word.
    """
    images = [path for path in list_media(paths) if not is_video(path)]
    if not images:
        raise ValueError(f'no image in {", ".join(map(str, paths))}')
    captions, phrases = caption_of(vocabulary, caption)
    report = DemoReport()
    stems = output_stems(images, out_dir)
    with show_progress('explaining', len(images)) as advance:
        for path, stem in zip(images, stems, strict=True):
            try:
                image = read_image(path)
            except (ValueError, OSError) as error:
                report.skip(path, error)
            else:
                bgr = np.ascontiguousarray(image[..., ::-1])
                explanation = explainer(bgr, captions, phrases, path.name)
                picture = stem.with_name(f'{stem.name}_explain.png')
                write_image(picture, draw_image_explanation(image, explanation))
                report.written.append(picture)
            advance()
    return report
