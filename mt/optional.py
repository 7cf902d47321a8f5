"""Import of optional dependencies, which are installed with extras of the package."""

from __future__ import annotations

import importlib
from types import ModuleType

from mt.errors import MTError


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an extra; raise MTError with the pip command if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MTError(
            f"this needs {module} ({error}): pip install 'mt-attention[{extra}]'"
        ) from error
