"""Gold word alignments, constructions and deciding words of test pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mt.errors import MTError


class Annotation(NamedTuple):
    """The annotation of one sentence pair."""

    links: str  # word alignment in Pharaoh's format, on words between spaces; empty: unknown
    constructions: str  # names of the constructions in the sentence, separated by spaces
    deciders: str = ""  # as `format_deciders` writes them; empty: none, or unknown

    def reversed(self) -> Annotation:
        """Return the annotation for the other translation direction: link 0-2 becomes 2-0.

        Deciding words are those of one direction only.
        """
        links = re.sub(r"(\d+)([-p])(\d+)", r"\3\2\1", self.links)
        return self._replace(links=links, deciders="")


class Decider(NamedTuple):
    """A source word that decides the form of a target word to which it is not linked."""

    source: int  # word between spaces
    target: int
    kind: str  # of the target word, such as pronoun


def read_annotations(path: Path) -> list[Annotation]:
    """Read the annotations of a prepared test set; empty if the file does not exist."""
    if not path.exists():
        return []
    return [Annotation(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def format_deciders(deciders: Iterable[Decider]) -> str:
    """Return a line such as "pronoun:2-7": source word 2 decides target word 7, from 0."""
    return " ".join(f"{kind}:{source}-{target}" for source, target, kind in deciders)


def parse_deciders(line: str) -> list[Decider]:
    """Parse a line of `format_deciders`. Raises MTError if it is malformed."""
    deciders = []
    for text in line.split():
        match = re.fullmatch(r"(\w+):(\d+)-(\d+)", text)
        if not match:
            raise MTError(f"{text!r} is no deciding word: expected kind:source-target")
        deciders.append(Decider(int(match[2]), int(match[3]), match[1]))
    return deciders
