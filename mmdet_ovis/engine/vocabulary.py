"""Finding what has a vocabulary in a model, and switching it.

A vocabulary head is a module that has ``vocabulary`` (names), ``set_vocabulary(names,
embeddings=None)`` and the context manager ``using_vocabulary`` with the same arguments,
such as ``EmbeddingBBoxHead``. One that also has ``text_space`` (a dict) says where its
vectors come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import PurePath
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

_HAS_TO_AGREE = ('dim', 'model_id', 'normalization')
_SHOULD_AGREE = ('templates_hash',)


def vocabulary_heads(model: nn.Module) -> dict[str, nn.Module]:
    """Find the vocabulary heads of a model.

    Args:
        model (nn.Module): A model, possibly wrapped for distributed training.

    Returns:
        dict[str, nn.Module]: By name, in the order of ``named_modules``. What stands
        inside a vocabulary head is its own business and not among them.
    """
    if is_model_wrapper(model):
        model = model.module
    heads: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = any(not head or name.startswith(f'{head}.') for head in heads)
        if not inside and callable(getattr(module, 'set_vocabulary', None)):
            heads[name] = module
    return heads


def set_vocabulary(
    model: nn.Module,
    names: Sequence[str],
    embeddings: Tensor | None = None,
    **options: Any,
) -> None:
    """Install a vocabulary in all vocabulary heads of a model.

    Args:
        model (nn.Module): The model, changed in place.
        names (Sequence[str]): Names of the classes, in the order of the labels.
        embeddings (Tensor, optional): (C, D) their text vectors. Defaults to None: the
            heads look them up.
        **options: Further arguments of the heads, such as ``background``.

    Raises:
        ValueError: If there is no such head, or one does not take the vocabulary.
    """
    for head in _need_heads(model).values():
        head.set_vocabulary(names, embeddings, **options)


@contextmanager
def using_vocabulary(
    model: nn.Module, names: Sequence[str], embeddings: Tensor | None = None
) -> Iterator[None]:
    """Within this context, all vocabulary heads of a model have another vocabulary.

    Takes the arguments of :func:`set_vocabulary`. Afterwards each head has its own
    again.
    """
    with ExitStack() as stack:
        for head in _need_heads(model).values():
            stack.enter_context(head.using_vocabulary(names, embeddings))
        yield


def class_names(metainfo: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """Return the class names of a dataset.

    Args:
        metainfo (Mapping): Of the dataset.
        what (str): What the message calls it.

    Returns:
        tuple[str, ...]: In the order of the labels.

    Raises:
        ValueError: If it names none, or is a list, as mmdet's ``ConcatDataset`` reports
            it for datasets that do not agree.

    Examples:
        >>> class_names({'classes': ('cat', 'dog')}, 'the training set')
        ('cat', 'dog')
    """
    if not isinstance(metainfo, Mapping):
        raise ValueError(
            f'the parts of {what} differ in classes or in what else they report '
            '(metainfo); one model has one vocabulary in training'
        )
    names = tuple(metainfo.get('classes', ()))
    if not names:
        raise ValueError(f'{what} names no classes (metainfo.classes)')
    return names


def caption_words_of(dataset: Any) -> set[str]:
    """Collect the words of captions that a dataset knows, and those that it wraps.

    Args:
        dataset (Any): One of a dataloader.

    Returns:
        set[str]: ``known_words`` of all of them.

    Examples:
        >>> from types import SimpleNamespace as Namespace
        >>> parts = [Namespace(known_words={'dog'}), Namespace()]
        >>> caption_words_of(Namespace(datasets=parts))
        {'dog'}
    """
    inside = [*getattr(dataset, 'datasets', ()), getattr(dataset, 'dataset', None)]
    words = set(getattr(dataset, 'known_words', ()))
    return words.union(*(caption_words_of(part) for part in inside if part is not None))


def text_spaces(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the text space of each vocabulary head that knows it, by name of head."""
    return {
        name: dict(head.text_space)
        for name, head in vocabulary_heads(model).items()
        if hasattr(head, 'text_space')
    }


def check_text_spaces(
    model: nn.Module, trained: Mapping[str, Mapping[str, Any]], source: str
) -> None:
    """Check that a model gets its text vectors from where its weights learnt them.

    What only one of both sides knows is not compared. Other templates give other
    vectors in the same space, which is worth a warning only.

    Args:
        model (nn.Module): The model.
        trained (Mapping): What :func:`text_spaces` gave when the weights were saved.
        source (str): Where they come from, for messages.

    Raises:
        ValueError: If dimension, text encoder or normalisation differ.
    """
    for name, space in text_spaces(model).items():
        # A student that starts from its teacher has its head under another name.
        for before in [trained[name]] if name in trained else trained.values():
            _compare(before, space, f'{source}: {name}')


def text_space_differences(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, bool]:
    """Say in what two text spaces differ.

    What only one of both sides knows is not compared, and of the name of a text
    encoder only what a local copy keeps.

    Args:
        before (Mapping): One of :func:`text_spaces`, or ``meta`` of a bank.
        now (Mapping): Another.

    Returns:
        dict[str, bool]: For each key that differs, whether vectors of one space are of
        no use in the other.

    Examples:
        >>> a = dict(dim=512, model_id='openai/clip-vit-base-patch32')
        >>> text_space_differences(a, dict(dim=8, model_id='clip-vit-base-patch32'))
        {'dim': True}
    """
    return {
        key: key in _HAS_TO_AGREE
        for key in (*_HAS_TO_AGREE, *_SHOULD_AGREE)
        if key in before and key in now and not _same(before[key], now[key])
    }


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    for key, is_fatal in text_space_differences(before, now).items():
        message = (
            f'{what} was trained with text vectors of {key} {before[key]!r} and now '
            f'gets vectors of {key} {now[key]!r}'
        )
        if is_fatal:
            raise ValueError(
                f'{message}; use a bank that tools/ovis/prepare_text_embeddings.py '
                'made with the same settings'
            )
        MMLogger.get_current_instance().warning(message)


def _same(before: Any, now: Any) -> bool:
    """Compare; of the name of a text encoder, only what a local copy keeps."""
    if isinstance(before, str) and isinstance(now, str):
        return PurePath(before).name == PurePath(now).name
    return before == now


def _need_heads(model: nn.Module) -> dict[str, nn.Module]:
    heads = vocabulary_heads(model)
    if not heads:
        raise ValueError(
            f'{type(model).__name__} has no part with a vocabulary, such as '
            'EmbeddingBBoxHead; it cannot be given another one'
        )
    return heads
