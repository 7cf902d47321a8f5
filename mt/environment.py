"""Software versions and hardware, recorded so that results can be reproduced."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


def git_commit(root: Path = ROOT) -> str | None:
    """Return the commit of a checkout; None for an installed package, or without git.

    If the package has changes that are not committed, "+" and a checksum of them follow.
    """
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD").decode().strip()
    changes = _git(root, "diff", "--no-ext-diff", "HEAD", "--", "mt")
    for name in _git(root, "ls-files", "-z", "--others", "--exclude-standard", "mt").split(b"\0"):
        with contextlib.suppress(OSError):
            changes += name + (root / os.fsdecode(name)).read_bytes()
    if commit and changes:
        commit += f"+{zlib.crc32(changes):08x}"
    return commit or None


def _git(root: Path, *arguments: str) -> bytes:
    """Return what git prints; nothing if it fails or is not installed."""
    try:
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True).stdout
    except OSError:
        return b""


def short_commit(commit: str) -> str:
    """Return a commit as people write it, with the checksum of its changes."""
    commit, plus, changes = commit.partition("+")
    return commit[:7] + plus + changes


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
