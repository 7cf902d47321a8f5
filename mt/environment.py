"""Software versions and hardware, recorded so that results can be reproduced."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGE = "mt-attention"  # the name of mt as a package
PACKAGES = (
    PACKAGE,
    "torch",
    "sentencepiece",
    "datasets",
    "sacrebleu",
    "hydra-core",
    "numpy",
)


def package_versions() -> dict[str, str | None]:
    """Return the versions of Python and relevant packages; None for a package not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """Return the commit of a checkout; None for an installed package, or without git."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return result.stdout.strip() or None


def platform_name() -> str:
    """Return the operating system and the processor."""
    return f"{platform.system()}, {cpu_name()}"


def cpu_name() -> str:
    """Return the model name of the CPU on Linux, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
