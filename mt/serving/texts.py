"""Texts of any number of lines, translated by one model or by two in a row."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mt.serving.model import ServedModel
from mt.serving.parts import Part, Wanted, join_line
from mt.serving.steering import invalid

LINE_BREAK = re.compile("(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")  # those of str.splitlines
MAX_PREFIX = 2000  # characters in a line: the time to encode a word is quadratic in its length


@dataclass(frozen=True)
class Route:
    """The models that translate a text one after the other: one, or two through a pivot."""

    models: tuple[ServedModel, ...]

    @property
    def source(self) -> str:
        return self.models[0].source

    @property
    def target(self) -> str:
        return self.models[-1].target

    @property
    def attends(self) -> bool:
        """Whether attention between the words of source and target can be read."""
        return len(self.models) == 1 and self.models[0].attends

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags from which requests may choose."""
        return self.models[0].tags if len(self.models) == 1 else ()

    @property
    def max_alternatives(self) -> int:
        """The number of translations besides the best one, by default."""
        return self.models[-1].max_alternatives

    async def translate(
        self, lines: Sequence[str], wanted: Wanted, prefixes: Sequence[str] | None = None
    ) -> AsyncGenerator[Part]:
        """Yield the parts of the lines in order, as the last model finds them.

        `prefixes` has the beginning of the translation of each line.
        """
        for model in self.models[:-1]:
            parts = [part async for part in model.translate(lines, Wanted())]
            lines = [text for (text,) in self.join_lines(parts, Wanted())]
        async with aclosing(self.models[-1].translate(lines, wanted, prefixes)) as stream:
            async for part in stream:
                yield part

    def join_lines(self, parts: Sequence[Part], wanted: Wanted) -> list[list[str]]:
        """Return the translations of each line, best first."""
        options = self.models[-1].options(wanted)
        # A utility is a mean, like a log-probability that is divided by the length.
        penalty = 1.0 if options.mbr else options.length_penalty
        return [
            [join_line(line, rank, penalty).text for rank in range(wanted.nbest)]
            for line in ([*group] for _, group in groupby(parts, lambda part: part.line))
        ]


@dataclass(frozen=True)
class TranslatedText:
    """A text with its translations, best first, and the details of its parts if requested."""

    texts: list[str]
    parts: list[dict[str, Any]]


class TextLines:
    """Several texts as one list of lines, so that all are translated together."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.pieces = [LINE_BREAK.split(text) for text in texts]  # lines and breaks, in turn
        self.lines = [line for pieces in self.pieces for line in pieces[::2]]

    def spread(self, prefixes: Sequence[str]) -> list[str] | None:
        """Return the prefix of each line, given that of each text; None if there are none.

        Raises HTTPException 400 if a prefix has more lines than its text, or too long ones.
        """
        spread: list[str] = []
        for pieces, prefix in zip(self.pieces, prefixes, strict=True):
            lines, begun = len(pieces[::2]), LINE_BREAK.split(prefix)[::2]
            if len(begun) > lines:
                raise invalid(f"prefix has {len(begun)} lines, but its text has {lines}")
            if (longest := max(map(len, begun))) > MAX_PREFIX:
                raise invalid(f"prefix has {longest} characters in a line, at most {MAX_PREFIX}")
            spread += [*begun, *[""] * (lines - len(begun))]
        return spread if any(spread) else None

    def join(self, translations: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the translations of each text, given those of each line."""
        lines = iter(translations)
        joined = []
        for pieces in self.pieces:
            columns = [next(lines) for _ in pieces[::2]]
            breaks = [*pieces[1::2], ""]
            joined.append(
                [
                    "".join(line + end for line, end in zip(ranked, breaks, strict=True))
                    for ranked in zip(*columns, strict=True)
                ]
            )
        return joined

    def parts_by_text(self, parts: Sequence[Part]) -> list[list[dict[str, Any]]]:
        """Return the details of the parts of each text; lines count from 0 in each."""
        grouped: list[list[dict[str, Any]]] = []
        start = 0
        for pieces in self.pieces:
            end = start + len(pieces[::2])
            grouped.append(
                [
                    {**part.details, "line": part.line - start}
                    for part in parts
                    if start <= part.line < end
                ]
            )
            start = end
        return grouped


async def translate_texts(
    route: Route, texts: Sequence[str], wanted: Wanted, prefixes: Sequence[str]
) -> list[TranslatedText]:
    """Translate texts; line breaks, blank lines and the order of lines stay as they are.

    `prefixes` has the beginning of the translation of each text.
    """
    document = TextLines(texts)
    begun = document.spread(prefixes)
    parts = [part async for part in route.translate(document.lines, wanted, begun)]
    joined = document.join(route.join_lines(parts, wanted))
    details = document.parts_by_text(parts) if wanted.details else [[] for _ in texts]
    return [TranslatedText(*each) for each in zip(joined, details, strict=True)]
