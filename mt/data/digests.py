"""Content digests, which identify a corpus in the cache and in a comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mt.data import text_files


def file_digest(path: Path) -> str:
    """Return a digest of a file's bytes."""
    with text_files.open_raw(path) as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()  # type: ignore[arg-type]


def file_digests(*groups: Sequence[Path]) -> list[list[str]]:
    """Return the digests of the files of each group, computed by threads, as hashing allows."""
    with ThreadPoolExecutor() as pool:
        digests = [pool.map(file_digest, paths) for paths in groups]
        return [list(each) for each in digests]


def text_hash(text: str) -> int:
    """Return a 64-bit hash of well-formed text, the same in every process (unlike `hash`)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def digest(*parts: object) -> str:
    """Return a digest of the printed form (`repr`) of the parts."""
    encoded = repr(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
