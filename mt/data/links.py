"""Word alignments of sentence pairs, in Pharaoh's format: `0-0 1p2`.

A link is (source word, target word), both counted from 0. Words are those of
`mt.data.alignment_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.data.alignment_words import count_words
from mt.data.text_files import read_lines
from mt.errors import MTError

Link = tuple[int, int]
LINK_PATTERN = re.compile(r"(\d{1,9})([-p])(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Links:
    """The links of one sentence pair.

    Possible links include the sure ones. Predicted links are all sure.
    """

    sure: frozenset[Link] = frozenset()
    possible: frozenset[Link] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "possible", self.possible | self.sure)


def parse_links(text: str) -> Links:
    """Parse a line such as `0-0 1p2`: sure and possible links, source word first.

    Raises MTError for anything else.
    """
    links: dict[str, set[Link]] = {"-": set(), "p": set()}
    for token in text.split():
        match = LINK_PATTERN.fullmatch(token)
        if not match:
            raise MTError(
                f"{token[:40]!r} is not a link: links are written 0-0 (sure) or 0p0 (possible); "
                f"in the line {text.strip()[:80]!r}"
            )
        links[match[2]].add((int(match[1]), int(match[3])))
    return Links(frozenset(links["-"]), frozenset(links["p"]))


def format_links(links: Links) -> str:
    """Write links in the format of `parse_links`, in order of the source words."""
    return " ".join(
        f"{source}{'-' if (source, target) in links.sure else 'p'}{target}"
        for source, target in sorted(links.possible)
    )


def read_links(path: Path) -> list[Links]:
    """Read the links of each line of a file, plain or compressed.

    Raises MTError with file and line if a line is wrong.
    """
    return parse_lines(read_lines(path), str(path))


def parse_lines(lines: Iterable[str], name: str) -> list[Links]:
    """Parse the links of each line.

    Raises MTError with `name` and the line number if a line is wrong.
    """
    links = []
    for number, line in enumerate(lines, start=1):
        try:
            links.append(parse_links(line))
        except MTError as error:
            raise MTError(f"{name}, line {number}: {error}") from None
    return links


def check_gold(gold: Sequence[Links], pairs: Sequence[tuple[str, str]], name: str) -> None:
    """Raise MTError if gold links do not fit the pairs of normalised texts, or none is sure.

    `name` is the name of the gold links in the message.
    """
    if len(gold) != len(pairs):
        raise MTError(
            f"{name} has {len(gold):,} lines for {len(pairs):,} sentence pairs: "
            "line i of each must belong together"
        )
    for number, (links, (source, target)) in enumerate(zip(gold, pairs, strict=True), start=1):
        words = count_words(source), count_words(target)
        for i, j in links.possible:
            if i >= words[0] or j >= words[1]:
                raise MTError(
                    f"{name}, line {number} links words {i} and {j}, "
                    f"but the pair has {words[0]} and {words[1]} words (counted from 0)"
                )
    if not any(links.sure for links in gold):
        raise MTError(f"{name} has no sure link (such as 0-0) to score against")
