"""Pairs that have been seen before, or are in the validation or test set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import regex  # type: ignore[import-untyped]

from mt.data.digests import text_hash
from mt.data.normalisation import Normaliser

# 64-bit keys that are sorted at a time: 160 MB of memory.
PART_KEYS = 2_000_000
_BLOCK_KEYS = 1 << 20  # that are read at a time
_DIGITS = regex.compile(r"\p{Nd}+")
_OTHER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def simplify(text: str) -> str:
    """Return letters and digits only, in one case, with each number as 0.

    Text without any stays as it is.
    """
    return _OTHER.sub("", _DIGITS.sub("0", text.casefold())) or text


def pair_key(source: str, target: str) -> int:
    """Return a 64-bit hash of a pair of normalised texts, which contain no NUL."""
    return text_hash(f"{source}\0{target}")


def simplified_key(source: str, target: str) -> int:
    """Return a hash that is the same for pairs that differ in case, digits or punctuation."""
    return pair_key(simplify(source), simplify(target))


def find_first(keys: np.ndarray, among: np.ndarray, part_keys: int = PART_KEYS) -> np.ndarray:
    """Return which of the rows `among` have a key that no earlier one of them has, [N] bool.

    `keys` [N] uint64 may be mapped from a file. They are sorted in parts by their remainder, of
    about `part_keys` each, so that memory is bounded: 2 bytes for each row, and one part.
    """
    is_first = np.zeros(len(keys), bool)
    parts = math.ceil(len(keys) / part_keys)
    for part in range(parts):
        blocks = [
            start + np.flatnonzero(among[start:end] & (keys[start:end] % np.uint64(parts) == part))
            for start in range(0, len(keys), _BLOCK_KEYS)
            for end in [start + _BLOCK_KEYS]
        ]
        rows = np.concatenate(blocks)
        _, first = np.unique(keys[rows], return_index=True)  # the first of equal keys
        is_first[rows[first]] = True
    return is_first


def find_repeated(keys: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the rows that each step drops, given the keys of all rows for each step in order.

    A row that one step drops is none of the rows of the next.
    """
    repeated = {}
    among: np.ndarray | None = None
    for name, each in keys.items():
        among = np.ones(len(each), bool) if among is None else among
        is_first = find_first(each, among)
        repeated[name] = np.flatnonzero(among & ~is_first)
        among = is_first
    return repeated


class Overlap:
    """Tells whether a side of a pair is that side of a held-out pair."""

    def __init__(self, held_out: Iterable[tuple[str, str]], normalise: Normaliser) -> None:
        pairs = [normalise.pair(*pair) for pair in held_out]
        self._sources = {source for source, _ in pairs}
        self._targets = {target for _, target in pairs}

    def __call__(self, source: str, target: str) -> bool:
        return source in self._sources or target in self._targets
