"""Libraries that only some need: installed with an extra of the package."""

from __future__ import annotations

import importlib
from types import ModuleType

from mt.errors import MTError


def require(module: str, extra: str) -> ModuleType:
    """Import a module that `pip install 'mt-attention[extra]'` brings; MTError, with that command, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MTError(
            f"this needs {module} ({error}): pip install 'mt-attention[{extra}]'"
        ) from error
