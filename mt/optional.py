"""Import of optional dependencies, which are installed with extras of the package."""

from __future__ import annotations

import importlib
from types import ModuleType

from mt.errors import MTError


def install_command(extra: str) -> str:
    """Return the command that installs an extra. The package is not on PyPI."""
    return f"pip install -e '.[{extra}]' in the checkout of mt"


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an extra; raise MTError with the pip command if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MTError(f"this needs {module} ({error}): {install_command(extra)}") from error
