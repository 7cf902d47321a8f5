"""Symbols that stay whole, and placeholders that translation copies.

A symbol of data.tokenizer.symbols is one piece wherever it occurs. A placeholder is a piece of text
that matches a pattern of data.tokenizer.placeholders: the model sees a numbered piece in its place,
so that it can neither split nor misspell it. The numbers of a translation are replaced by what
stands in its source (Crego et al. 2016, "SYSTRAN's Pure Neural Machine Translation Systems").

In marked text, both are written between marks, and the vocabulary has these strings as pieces. The
marks are control characters. `mt.data.normalisation.normalise` removes these from all text, so
that no text of a user is taken for a placeholder.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence

import regex  # type: ignore[import-untyped]

from mt.config.placeholders import placeholder_patterns
from mt.config.schema import TokenizerConfig
from mt.data.digests import text_hash
from mt.data.tags import MARK

NUMBER_MARK, SYMBOL_MARK = "\x02", "\x03"
MARKED = re.compile(
    f"({NUMBER_MARK}[0-9]+{NUMBER_MARK}|{SYMBOL_MARK}[^{SYMBOL_MARK}]+{SYMBOL_MARK})"
)
NUMBERS = 20  # distinct placeholders of a text; more are translated as text
# Private characters that hide a match while a line is split, one for each match of the line.
FIRST_HIDDEN, LAST_HIDDEN = 0x100000, 0x10FFFD
HIDDEN = regex.compile(f"[{chr(FIRST_HIDDEN)}-{chr(LAST_HIDDEN)}]")


class Symbols:
    """The symbols and the patterns of placeholders of one tokenizer; there may be none of them."""

    def __init__(self, symbols: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self.symbols, self.patterns = sorted(set(symbols)), list(patterns)
        # The longest of several symbols wins.
        literal = "|".join(map(regex.escape, sorted(self.symbols, key=len, reverse=True))) or "(?!)"
        placeholder = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
        # A tag in front (`mt.data.tags`) stays as it is.
        either = rf"\A{MARK}[^{MARK}]*{MARK}|(?P<_symbol>{literal})|(?P<_placeholder>{placeholder})"
        self._literal, self._either, self._uncut = (
            regex.compile(pattern, regex.V1)
            for pattern in (literal, either, f"{HIDDEN.pattern}|{either}")
        )

    @classmethod
    def from_config(cls, config: TokenizerConfig) -> Symbols:
        """Return the symbols that the settings name."""
        return cls(config.symbols, placeholder_patterns(config.placeholders))

    @classmethod
    def from_json(cls, text: str | bytes) -> Symbols:
        """Return the symbols that `to_json` has written; raise ValueError if it has not."""
        values = json.loads(text)
        try:
            lists = [values[name] for name in ("symbols", "patterns")]
            if not all(isinstance(value, str) for values in lists for value in values):
                raise TypeError
            return cls(*lists)
        except (KeyError, TypeError, regex.error) as error:
            raise ValueError(f"no lists of symbols and patterns: {error}") from error

    def to_json(self) -> str:
        """Return all that `from_json` needs: the patterns, as those of this version may change."""
        values = {"symbols": self.symbols, "patterns": self.patterns}
        return json.dumps(values, ensure_ascii=False, indent=1) + "\n"

    def __bool__(self) -> bool:
        return bool(self.symbols or self.patterns)

    def pieces(self) -> list[str]:
        """Return the pieces that the vocabulary needs for them."""
        numbers = [numbered(number) for number in range(NUMBERS if self.patterns else 0)]
        return numbers + [f"{SYMBOL_MARK}{symbol}{SYMBOL_MARK}" for symbol in self.symbols]

    def placeholders(self, text: str) -> list[str]:
        """Return the placeholders of a text in order."""
        if not self.patterns:
            return []
        matches = self._either.finditer(text)
        return [match[0] for match in matches if match["_placeholder"] is not None]

    def contents(self, source: str) -> list[str]:
        """Return what each number stands for in a marked source and its translation.

        Equal placeholders have one number.
        """
        return list(dict.fromkeys(self.placeholders(source)))[:NUMBERS]

    def mark(self, text: str, contents: Sequence[str] | None = None) -> str:
        """Return a text as marked text; `contents` are those of its source, by default its own."""
        return self._mark(text, self.contents(text) if contents is None else contents)

    def mark_pair(self, source: str, target: str) -> tuple[str, str]:
        """Return a source and its translation as marked text.

        Placeholders of the target that the source does not have are text.
        """
        contents = self.contents(source)
        return self.mark(source, contents), self.mark(target, contents)

    def mark_training_pair(self, source: str, target: str) -> tuple[str, str]:
        """Return a pair to learn from as marked text.

        Only placeholders that occur on both sides are numbered: the model learns that numbers are
        always copied. The first number depends on the source, so that all numbers are learned
        equally well, although most texts have few placeholders.
        """
        common = set(self.placeholders(target))
        contents = [content for content in self.contents(source) if content in common]
        first = text_hash(self._mark(source, contents, "*")) % NUMBERS if contents else 0
        numbers: list[str | None] = [None] * NUMBERS
        for number, content in enumerate(contents):
            numbers[(first + number) % NUMBERS] = content
        return self._mark(source, numbers), self._mark(target, numbers)

    def _mark(self, text: str, contents: Sequence[str | None], label: str = "") -> str:
        """Mark a text; `contents` has what each number stands for. `label` replaces all numbers."""
        if not self:
            return text
        numbers = {content: numbered(number) for number, content in enumerate(contents) if content}

        def marked(match: regex.Match) -> str:
            if match["_symbol"] is not None:
                return f"{SYMBOL_MARK}{match[0]}{SYMBOL_MARK}"
            if match["_placeholder"] is None:
                return match[0]
            if match[0] in numbers:
                return label or numbers[match[0]]
            return self._literal.sub(rf"{SYMBOL_MARK}\g<0>{SYMBOL_MARK}", match[0])

        return self._either.sub(marked, text)

    def hide(self, text: str) -> tuple[str, Callable[[str], str]]:
        """Return a text in which no symbol or placeholder can be cut, and how to restore its parts.

        Each match is one character. Those of the text in the same range are hidden too.
        """
        if not self or len(text) > LAST_HIDDEN - FIRST_HIDDEN:
            return text, lambda part: part
        found: list[str] = []

        def hidden(match: regex.Match) -> str:
            found.append(match[0])
            return chr(FIRST_HIDDEN + len(found) - 1)

        return self._uncut.sub(hidden, text), lambda part: HIDDEN.sub(
            lambda match: found[ord(match[0]) - FIRST_HIDDEN], part
        )

    def compare(self, source: str, output: str) -> tuple[int, int]:
        """Return how many placeholders of a source its translation lacks, and how many it adds."""
        before, after = Counter(self.placeholders(source)), Counter(self.placeholders(output))
        return (before - after).total(), (after - before).total()


def numbered(number: int) -> str:
    """Return the piece of a placeholder."""
    return f"{NUMBER_MARK}{number}{NUMBER_MARK}"


def reveal(piece: str, contents: Sequence[str] | None) -> str:
    """Return what a piece of `MARKED` stands for.

    A number without contents is nothing. If `contents` is None, numbers are shown in brackets.
    """
    if piece.startswith(SYMBOL_MARK):
        return piece.strip(SYMBOL_MARK)
    number = int(piece.strip(NUMBER_MARK))
    if contents is None:
        return f"⟨{number}⟩"
    return contents[number] if number < len(contents) else ""
