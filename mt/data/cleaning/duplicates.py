"""Pairs that have been seen before, or are in the validation or test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import regex  # type: ignore[import-untyped]

from mt.data.digests import text_hash
from mt.data.normalisation import Normaliser

_DIGITS = regex.compile(r"\p{Nd}+")
_OTHER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def simplify(text: str) -> str:
    """Return letters and digits only, in one case, with each number as 0.

    Text without any stays as it is.
    """
    return _OTHER.sub("", _DIGITS.sub("0", text.casefold())) or text


class SeenPairs:
    """Tells whether a pair has been seen before.

    Memory grows by a 64-bit hash for each distinct pair (about 70 bytes in a Python set), not by
    text.
    """

    def __init__(self, form: Callable[[str], str] | None = None) -> None:
        """Initialise without any pairs; texts of the same form are equal, if there is one."""
        self._form = form
        self._seen: set[int] = set()

    def __call__(self, source: str, target: str) -> bool:
        if self._form:
            source, target = self._form(source), self._form(target)
        key = text_hash(f"{source}\0{target}")  # normalised text contains no NUL
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


class Overlap:
    """Tells whether a side of a pair is that side of a held-out pair."""

    def __init__(self, held_out: Iterable[tuple[str, str]], normalise: Normaliser) -> None:
        pairs = [normalise.pair(*pair) for pair in held_out]
        self._sources = {source for source, _ in pairs}
        self._targets = {target for _, target in pairs}

    def __call__(self, source: str, target: str) -> bool:
        return source in self._sources or target in self._targets
