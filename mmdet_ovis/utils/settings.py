"""Settings, and objects from the dicts of a config, with clear errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

_T = TypeVar('_T')


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is not one of those that a setting may have.

    Args:
        name (str): Name of the setting, for the message.
        value (Any): Its value.
        choices (Iterable): The values that it may have.

    Raises:
        ValueError: If it has another one.

    Examples:
        >>> check_choice('mode', 'max', ('mean', 'min'))
        Traceback (most recent call last):
        ...
        ValueError: mode is one of mean, min, not 'max'
    """
    choices = tuple(choices)
    if value not in choices:
        allowed = ', '.join(str(choice) for choice in choices)
        raise ValueError(f'{name} is one of {allowed}, not {value!r}')


def check_keys(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse keys that nobody would look at.

    Args:
        given (Iterable[str]): Keys of a setting.
        known (Iterable[str]): Keys that it may have.
        what (str): Its name, for the message.

    Raises:
        ValueError: If a key is unknown.

    Examples:
        >>> check_keys(dict(wieght=1), ('weight', 'mode'), 'weighting')
        Traceback (most recent call last):
        ...
        ValueError: weighting has the keys weight, mode, not 'wieght'
    """
    known = tuple(known)
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f'{what} has the keys {", ".join(known)}, not {unknown[0]!r}')


def from_settings(
    kind: Callable[..., _T], settings: Mapping[str, Any] | None, what: str
) -> _T:
    """Call something with the keys of a setting as its arguments.

    Args:
        kind (Callable): A class or function with named arguments.
        settings (Mapping, optional): The setting; None: all defaults.
        what (str): Its name, for the message.

    Returns:
        object: What the call gives.

    Raises:
        ValueError: If a key is unknown.

    Examples:
        >>> from_settings(complex, dict(real=1), 'number')
        (1+0j)
    """
    settings = dict(settings or {})
    check_keys(settings, inspect.signature(kind).parameters, what)
    return kind(**settings)
