"""Lines as subword pieces, in parts if they have several sentences or are too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.normalisation import is_blank
from mt.data.sentences import SentenceSplitter
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.decoding.splitting import split_sentences, split_text

EncodedPart = tuple[str, list[int]]  # text and pieces


@dataclass(frozen=True)
class EncodedLine:
    """A line as what a model translates one by one: itself, or its parts."""

    source: str  # normalised
    parts: list[EncodedPart]  # none if the line has no visible character


class LineEncoder:
    """Encodes normalised lines as the parts that a model translates one by one."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_pieces: int,
        language: str,
        split_sentences: bool,
        tag: str = "",
    ) -> None:
        """Prepare the rules of the source language; arguments are those of Translator."""
        self.tokenizer, self.max_pieces, self.tag = tokenizer, max_pieces, tag
        self.sentences, self.split_sentences = SentenceSplitter(language), split_sentences

    def encode(self, lines: Sequence[str], counts: Counter[str]) -> list[EncodedLine]:
        """Encode lines in parts.

        The pieces of each part begin with the tag. Adds the numbers of lines that are split to
        `counts`: "sentences" if they have several, "split" if they, or one of their sentences, are
        too long.
        """
        texts = [self._split(line) for line in lines]
        rows = iter(self._encode([text for parts in texts for text in parts]))
        encoded = []
        for source, parts in zip(lines, texts, strict=True):
            line = [(text, next(rows)) for text in parts]
            counts["sentences"] += len(line) > 1
            if any(len(pieces) > self.max_pieces for _, pieces in line):
                counts["split"] += 1
                parts = [part for text in parts for part in self._split_long(text)]
                line = list(zip(parts, self._encode(parts), strict=True))
            encoded.append(EncodedLine(source, line))
        return encoded

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer.encode_many([add_tag(text, self.tag) for text in texts], "src")

    def _split(self, line: str) -> list[str]:
        if is_blank(line):
            return []
        if not self.split_sentences:
            return [line]
        tag, text = self.tokenizer.models["src"].split_written_tag(line)
        hidden, restore = self.tokenizer.symbols.hide(text)
        return [tag + restore(part) for part in split_sentences(hidden, self.sentences)]

    def _split_long(self, text: str) -> list[str]:
        tag, text = self.tokenizer.models["src"].split_written_tag(text)
        hidden, restore = self.tokenizer.symbols.hide(text)

        def size(part: str) -> int:
            return len(self._encode([tag + restore(part)])[0])

        parts = split_text(hidden, self.sentences, size, self.max_pieces)
        return [tag + restore(part) for part in parts]
