"""Import of optional dependencies, which are installed with extras of the package."""

from __future__ import annotations

import importlib
from types import ModuleType

from mt.errors import MTError

# The packages of the extras in pyproject.toml. mt itself is not on PyPI, so that its extras can be
# installed by name in a checkout only; the packages can be installed beside a wheel as well.
PACKAGES = {
    "plot": ("matplotlib", "resvg-py"),
    "ctranslate2": ("ctranslate2",),
    "onnx": ("onnx", "onnxruntime"),
    "serve": ("starlette", "uvicorn", "python-multipart", "prometheus-client"),
    "detect": ("py3langid",),
    "ray": ("ray",),
    "transformers": ("transformers",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow-skinny",),
    "trackio": ("trackio",),
}


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra, beside a checkout or a wheel."""
    return f"pip install {' '.join(PACKAGES[extra])}"


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an extra; raise MTError with the pip command if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MTError(f"this needs {module} ({error}): {install_command(extra)}") from error
