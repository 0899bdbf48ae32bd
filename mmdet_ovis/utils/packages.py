"""Packages that only some of the project needs."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackageError(ImportError, ValueError):
    """An optional package is missing; tools print it in one line."""


def import_optional(name: str, requirement: str, purpose: str) -> ModuleType:
    """Import a package that is not among the requirements.

    Args:
        name (str): Of the module.
        requirement (str): What pip installs.
        purpose (str): What needs it, for the message.

    Returns:
        ModuleType: The module.

    Raises:
        MissingPackageError: If it is not installed; the message says how to.

    Examples:
        >>> import_optional('json', 'json', 'reading').loads('[1]')
        [1]
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the package is there, one that it needs is not
            raise
        raise MissingPackageError(
            f'{purpose} needs {name}, which is not installed: '
            f'pip install "{requirement}"'
        ) from None
