"""Pipelines of spaCy, which is optional."""

from __future__ import annotations

from typing import Any, Final

from ..utils.packages import import_optional

DEFAULT_PIPELINE: Final = 'en_core_web_sm'


def load_pipeline(model: str = DEFAULT_PIPELINE) -> Any:
    """Load a pipeline of spaCy.

    Args:
        model (str): Name of an installed pipeline, or a folder that holds one.

    Returns:
        Any: What turns a text into tokens with ``lemma_`` and ``pos_``.

    Raises:
        MissingPackageError: If spaCy is not installed.
        OSError: If the pipeline is not.
    """
    spacy = import_optional('spacy', 'spacy>=3.7', "the parser's backend 'spacy'")
    try:
        return spacy.load(model)
    except OSError:
        raise OSError(
            f"the spaCy pipeline '{model}' is not installed: "
            f'python -m spacy download {model}'
        ) from None
