"""Loading models and tokenizers of the transformers library, strictly.

Weights are read from safetensors or by PyTorch's weights-only loader, never
unpickled, and each parameter of the model has to be among them. Code that comes with a
model (``auto_map``) is never run. The network is used only for a hub name, and not if
``HF_HUB_OFFLINE`` is set.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from torch import nn

from .checkpoint import CheckpointError
from .packages import MissingPackageError, import_optional

REQUIREMENT = 'transformers>=4.53'
_NO_CODE: Final = {'trust_remote_code': False}
"""Left out, the library asks on the terminal whether to run the code of a model."""

_SHOWN_KEYS = 3
_REMEDY = (
    'it has to be a folder made by save_pretrained(), or a name of the Hugging Face '
    'hub that can be reached or is in its cache'
)


def import_transformers(purpose: str = 'a vision-language model') -> ModuleType:
    """Import the optional library.

    Args:
        purpose (str): What needs it, for the message.

    Raises:
        MissingPackageError: If it is missing or too old; the message says how to
            install it.
    """
    transformers = import_optional('transformers', REQUIREMENT, purpose)
    version = tuple(int(part) for part in transformers.__version__.split('.')[:2])
    if version < (4, 53):
        raise MissingPackageError(
            f'{purpose} needs a newer transformers than {transformers.__version__}: '
            f'pip install --upgrade "{REQUIREMENT}"'
        )
    return transformers


def load_network(
    class_name: str,
    checkpoint: str | os.PathLike,
    model_types: Sequence[str] | None = None,
    unneeded: Sequence[str] = (),
    **options: Any,
) -> nn.Module:
    """Load a model of the transformers library.

    Args:
        class_name (str): For example ``'BlipForImageTextRetrieval'``.
        checkpoint (str | PathLike): Folder with ``config.json`` and weights, or the
            name of a model on the Hugging Face hub.
        model_types (Sequence[str], optional): Architectures that the class can be
            read from. Defaults to None: its own, or any for ``'AutoModel'``.
        unneeded (Sequence[str]): Beginnings of the names of parameters that may be
            missing.
        **options: For ``from_pretrained``.

    Returns:
        nn.Module: In float32.

    Raises:
        FileNotFoundError: If there is no such folder, or no ``config.json`` in it.
        CheckpointError: If it is of another architecture, incomplete, damaged or
            would have to be unpickled.
        MissingPackageError: See :func:`import_transformers`.
    """
    transformers = import_transformers()
    source = _locate(checkpoint)
    if 'local_files_only' in source and not (_folder(source) / 'config.json').is_file():
        raise FileNotFoundError(f'{checkpoint} has no config.json; {_REMEDY}')
    network_class = getattr(transformers, class_name)
    with _one_line_errors(checkpoint, 'model'):
        config = transformers.AutoConfig.from_pretrained(**source, **_NO_CODE)
        wanted = model_types or _own_types(network_class)
        if wanted and config.model_type not in wanted:
            raise CheckpointError(
                f"{checkpoint} is a model of type '{config.model_type}', {class_name} "
                f'needs {" or ".join(map(repr, wanted))}'
            )
        with _quietly(transformers):
            network, report = network_class.from_pretrained(
                **source,
                **_NO_CODE,
                weights_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in the report
                **options,
            )
    # Names in version 4, names with both shapes in version 5.
    reshaped = [
        key if isinstance(key, str) else key[0] for key in report['mismatched_keys']
    ]
    missing = [k for k in report['missing_keys'] if not k.startswith(tuple(unneeded))]
    for what, keys in (
        ('lacks parameters', sorted(missing)),
        ('has parameters of another shape than those', sorted(reshaped)),
    ):
        if keys:
            raise CheckpointError(
                f'{checkpoint} {what} of {class_name}, {len(keys)} in all: '
                f'{_some(keys)}; take a checkpoint of exactly this model'
            )
    return network.float()


@contextmanager
def _quietly(transformers: ModuleType) -> Iterator[None]:
    """Keep the library from listing parameters that nobody asked for.

    The text tower of CLIP comes in files of both towers, and what is missing is judged
    here.
    """
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _own_types(network_class: type) -> tuple[str, ...]:
    config_class = getattr(network_class, 'config_class', None)  # not of AutoModel
    return (config_class.model_type,) if config_class else ()


def load_tokenizer(checkpoint: str | os.PathLike, vocab_size: int) -> Any:
    """Load the fast tokenizer of a model; only those know character offsets.

    Args:
        checkpoint (str | PathLike): Folder with ``tokenizer.json`` or ``vocab.txt``,
            or a hub name.
        vocab_size (int): Number of word embeddings of the model.

    Raises:
        FileNotFoundError: If there is no such folder.
        CheckpointError: If it holds no tokenizer, or none that serves.
        MissingPackageError: See :func:`import_transformers`.
    """
    transformers = import_transformers()
    source = _locate(checkpoint)
    with _one_line_errors(checkpoint, 'tokenizer'):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            **source, **_NO_CODE, use_fast=True
        )
    check_tokenizer(tokenizer, checkpoint, vocab_size)
    return tokenizer


def check_tokenizer(tokenizer: Any, source: str | os.PathLike, vocab_size: int) -> None:
    """Check that a tokenizer can pad, knows offsets, and fits the model.

    Raises:
        CheckpointError: If not.
    """
    for lack, is_lacking in (
        # Version 5 makes one of special tokens alone where it finds no file.
        ('vocabulary', len(tokenizer) <= len(set(tokenizer.all_special_ids))),
        ('character offsets, because it is not a fast one', not tokenizer.is_fast),
        ('padding token', tokenizer.pad_token_id is None),
    ):
        if is_lacking:
            raise CheckpointError(f'the tokenizer of {source} has no {lack}')
    if len(tokenizer) > vocab_size:
        raise CheckpointError(
            f'the tokenizer of {source} knows {len(tokenizer)} tokens, the model '
            f'{vocab_size}; take the tokenizer that belongs to the model'
        )


def _locate(checkpoint: str | os.PathLike) -> dict[str, Any]:
    """Tell folders from names of the hub.

    A name of the hub has at most one slash; whatever exists on the disk, is absolute or
    starts with ``.`` or ``~`` is a folder.
    """
    path = Path(checkpoint).expanduser()
    name = os.fspath(checkpoint)
    if path.exists() or path.is_absolute() or name[:1] in '.~' or name.count('/') > 1:
        if not path.is_dir():
            raise FileNotFoundError(f'no such folder with a model: {checkpoint}')
        return {'pretrained_model_name_or_path': str(path), 'local_files_only': True}
    return {'pretrained_model_name_or_path': name}


def _folder(source: dict[str, Any]) -> Path:
    return Path(source['pretrained_model_name_or_path'])


@contextmanager
def _one_line_errors(checkpoint: str | os.PathLike, what: str) -> Iterator[None]:
    """Say whatever the library raises again in one line with the checkpoint's name."""
    from safetensors import SafetensorError

    known = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError)
    try:
        yield
    except CheckpointError:
        raise
    except (*known, SafetensorError, pickle.UnpicklingError) as error:
        if _comes_from_pickle(error):
            raise CheckpointError(
                f'{checkpoint} holds more than weights, or is damaged, and was not '
                'loaded, because loading it could run code; where you trust it, save '
                'it as safetensors'
            ) from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f'{checkpoint} has no {what} that can be loaded ({reason.rstrip(".")}); '
            f'{_REMEDY}'
        ) from None


def _comes_from_pickle(error: BaseException | None) -> bool:
    """Version 4 hides the refusal of PyTorch behind an error of its own."""
    while error is not None:
        if isinstance(error, pickle.UnpicklingError):
            return True
        error = error.__context__
    return False


def _some(keys: Sequence[str]) -> str:
    return ', '.join(keys[:_SHOWN_KEYS]) + (', ...' if len(keys) > _SHOWN_KEYS else '')
