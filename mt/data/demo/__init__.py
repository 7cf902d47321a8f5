"""The embedded corpus: generated English-German sentence pairs, so that everything runs offline and in minutes.

This is all that the rest of the package knows of it. The sentences come from `grammar.py`, which uses `phrases.py`,
`words.py` (inflection) and `lexicon.py` (tables of words).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import blake2b

from mt.data.demo.grammar import Grammar
from mt.errors import UsageError

VERSION = 1  # raise it whenever the same call gives other sentences: prepared corpora are keyed by it
SPLITS = ("train", "val", "test")


def generate(split: str, size: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """The first `size` English-German pairs of a split, each source once: the same on every machine and Python version.

    A larger size continues a smaller one. A hash of the source decides which split a sentence belongs to (validation and
    test get a tenth each), so no sentence is in two, whatever the sizes and seeds. The grammar holds far over 10^12
    sentences: no size that a machine can store exhausts it, only the shortest ones become rare. Memory: about 60 bytes a
    pair, to keep sources apart.
    """
    if split not in SPLITS:
        raise UsageError(f"the embedded corpus has no split {split!r}: choose one of {', '.join(SPLITS)}")
    if size < 0:
        raise UsageError(f"the embedded corpus cannot give {size} pairs: the number must not be negative")
    return _generate(split, size, seed)


def _generate(split: str, size: int, seed: int) -> Iterator[tuple[str, str]]:
    grammar = Grammar(random.Random(_hash(f"{split} {seed}")))
    seen: set[int] = set()
    while len(seen) < size:
        source, target = grammar.sentence()
        key = _hash(source)
        if key not in seen and split == _split(key):
            seen.add(key)
            yield source, target


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _split(key: int) -> str:
    return {0: "val", 1: "test"}.get(key % 10, "train")
