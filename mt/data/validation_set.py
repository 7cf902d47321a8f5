"""A prepared validation set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mt.data.arrow_files import Pair, read_pairs
from mt.data.table import PairTable
from mt.data.tagged_pairs import remove_tags
from mt.data.tags import split_tags


@dataclass
class ValidationSet:
    """The pairs of data.val, or of an entry of data.val_sets."""

    name: str
    table: PairTable  # all pairs, normalised, as pieces
    pairs: list[Pair]  # raw text, never filtered, without tags
    tags: list[str]  # of each pair; "": none

    @classmethod
    def load(cls, name: str, folder: Path, stem: str) -> ValidationSet:
        """Read a set from its two files in a cache folder, whose names begin with `stem`."""
        pairs = read_pairs(folder / f"{stem}.text.arrow")
        tags, _ = split_tags(source for source, _ in pairs)
        return cls(name, PairTable.load(folder / f"{stem}.arrow"), remove_tags(pairs), tags)
