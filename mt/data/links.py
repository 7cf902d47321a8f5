"""Word alignments of sentence pairs, as Pharaoh's format writes them: `0-0 1p2`.

A link is (source word, target word), both counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.data.alignment_words import count_words
from mt.data.readers import open_bytes
from mt.errors import MTError

Link = tuple[int, int]
PATTERN = re.compile(r"(\d{1,9})([-p])(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Links:
    """The links of one sentence pair. Possible links include the sure ones; what a system finds is all sure."""

    sure: frozenset[Link] = frozenset()
    possible: frozenset[Link] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "possible", self.possible | self.sure)


def parse_links(text: str) -> Links:
    """A line such as `0-0 1p2`: sure and possible links, source word first. MTError for anything else."""
    found: dict[str, set[Link]] = {"-": set(), "p": set()}
    for token in text.split():
        match = PATTERN.fullmatch(token)
        if not match:
            raise MTError(
                f"{token[:40]!r} is no link, which is written 0-0 (sure) or 0p0 (possible), in the line {text.strip()[:80]!r}"
            )
        found[match[2]].add((int(match[1]), int(match[3])))
    return Links(frozenset(found["-"]), frozenset(found["p"]))


def format_links(links: Links) -> str:
    """What `parse_links` reads, in order of the source words."""
    return " ".join(
        f"{source}{'-' if (source, target) in links.sure else 'p'}{target}"
        for source, target in sorted(links.possible)
    )


def read_links(path: Path) -> list[Links]:
    """The links of each line of a file (.gz, .xz, .zst too). MTError names the file and the line."""
    with open_bytes(path) as file:
        return parse_lines((line.decode("utf-8", "replace") for line in file), str(path))


def parse_lines(lines: Iterable[str], name: str) -> list[Links]:
    """The links of each line of what is called `name`. MTError names it and the line."""
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parse_links(line))
        except MTError as error:
            raise MTError(f"{name}, line {number}: {error}") from None
    return found


def check_gold(golds: Sequence[Links], pairs: Sequence[tuple[str, str]], name: str) -> None:
    """Raise MTError unless each line of gold links, of what is called `name`, can belong to its pair of normalised texts, and
    there is something to score against.
    """
    if len(golds) != len(pairs):
        raise MTError(
            f"{name} has {len(golds):,} lines for {len(pairs):,} sentence pairs: line i of each must belong together"
        )
    for number, (gold, (source, target)) in enumerate(zip(golds, pairs, strict=True), start=1):
        words = count_words(source), count_words(target)
        for i, j in gold.possible:
            if i >= words[0] or j >= words[1]:
                raise MTError(
                    f"{name}, line {number} links words {i} and {j}, but the pair has {words[0]} and {words[1]} (counted from 0)"
                )
    if not any(gold.sure for gold in golds):
        raise MTError(f"{name} has no sure link (such as 0-0): there is nothing to score against")
