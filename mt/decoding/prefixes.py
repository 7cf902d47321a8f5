"""Prefixes: texts with which translations must begin, as sequences of subword pieces.

The last word of a prefix may go on. After "The ca", the model expects "▁cat" as one piece, and has
hardly seen "▁ca", "t". So a prefix does not stand for its own pieces, but for all sequences of
pieces that cover it: their text begins with the prefix, only their last piece reaches its end, and
they are the usual segmentation of their text, as in training (the covering of Vieira et al. 2024,
"From language models over tokens to language models over characters", restricted to usual
segmentations). The search chooses among them by the probabilities of the model.

A prefix that ends with white space ends a word: a new word follows, or nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mt.data.normalisation import Normaliser, is_blank
from mt.data.sampling import SPACE
from mt.data.sentences import SentenceSplitter
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.line_encoder import EncodedLine
from mt.decoding.splitting import join_parts

NO_TOKEN = -1  # pads sequences
NEW_WORD = -2  # in a sequence: any piece that begins a word, or EOS
MAX_WORDS = 10_000  # whose sequences are kept in memory
Sequences = list[list[int]]  # an output must begin with one of them; none: with anything


@dataclass(frozen=True)
class Prefixes:
    """The beginnings of the outputs of several sentences, as token ids."""

    sequences: list[Sequences]  # of each sentence
    new_word: list[int]  # the tokens that NEW_WORD stands for
    # Tokens in front of them, the same for all: the target language (`mt.data.languages`). They are
    # given, so that the model is not asked for their probability.
    start: Sequence[int] = ()

    @property
    def has_text(self) -> bool:
        """Return whether any sentence has a prefix, besides the start of all."""
        return any(self.sequences)

    def select(self, sentences: Sequence[int]) -> Prefixes | None:
        """Return the prefixes of some sentences; None if none of these has any."""
        selected = replace(self, sequences=[self.sequences[i] for i in sentences])
        return selected if selected.has_text or self.start else None

    def lengths(self) -> list[int]:
        """Return the number of tokens in the longest sequence of each sentence, with the start."""
        return [
            len(self.start) + max(map(len, sequences), default=0) for sequences in self.sequences
        ]


def add_start(prefixes: Prefixes | None, start: Sequence[int], sentences: int) -> Prefixes | None:
    """Return prefixes, if any, with `start` in front; without any, those of as many sentences."""
    if not start:
        return prefixes
    return replace(prefixes or Prefixes([[] for _ in range(sentences)], []), start=start)


class PrefixEncoder:
    """Encodes prefixes for one tokenizer.

    `language` is that of the target, `normaliser` that of the model.
    """

    def __init__(self, tokenizer: Tokenizer, language: str, normaliser: Normaliser) -> None:
        self.tokenizer, self.normaliser = tokenizer, normaliser
        self.model = tokenizer.models["tgt"]  # which does not add the target language
        self.sentences = SentenceSplitter(language)
        pieces = tokenizer.pieces(range(tokenizer.vocab_size("tgt")), "tgt")
        self.ids = {piece: number for number, piece in enumerate(pieces)}
        self.ordered = sorted(pieces)
        self.new_word = [i for i, piece in enumerate(pieces) if piece.startswith(SPACE) or i == EOS]
        self.covers: dict[str, Sequences] = {}  # of words

    def encode_lines(self, prefixes: Sequence[str], lines: Sequence[EncodedLine]) -> Prefixes:
        """Return the prefixes of all parts of lines."""
        sequences = [
            part
            for prefix, line in zip(prefixes, lines, strict=True)
            for part in self.encode(prefix, [source for source, _ in line.parts])
        ]
        return Prefixes(sequences, self.new_word)

    def encode(self, prefix: str, sources: Sequence[str]) -> list[Sequences]:
        """Return the sequences of each part of a line, given its prefix and the parts.

        The sentences of the prefix belong to the parts of the line in order. All but the last are
        whole translations; the last one, with all further ones if there are more sentences than
        parts, begins its translation.
        """
        text, parts, symbols = self.normaliser(prefix), len(sources), self.tokenizer.symbols
        if is_blank(text) or not parts:
            return [[] for _ in range(parts)]
        hidden, restore = symbols.hide(text)
        sentences = self.sentences.split(hidden) if parts > 1 else [hidden]
        sentences = [*sentences[: parts - 1], join_parts(sentences[parts - 1 :])]
        *whole, last = [
            symbols.mark(restore(sentence), symbols.contents(source))
            for sentence, source in zip(sentences, sources, strict=False)
            if sentence
        ]
        begun = self._end_word(last) if prefix[-1:].isspace() else self.cover(last)
        sequences = [[[*self._encode(sentence), EOS]] for sentence in whole]
        return [*sequences, begun, *([] for _ in range(parts - len(whole) - 1))]

    def cover(self, text: str) -> Sequences:
        """Return the sequences of pieces that cover a marked text (`mt.data.symbols`)."""
        head, space, word = text.rpartition(" ")
        before = self._encode(head) if space else []
        return [[*before, *cover] for cover in self._cover_word(word)]

    def _end_word(self, text: str) -> Sequences:
        return [[*self._encode(text), NEW_WORD]]

    def _encode(self, marked: str) -> list[int]:
        return self.model.encode([marked])[0]

    def _cover_word(self, word: str) -> Sequences:
        """Return the sequences that cover a word. No piece contains the end of a word inside."""
        if word not in self.covers:
            if len(self.covers) >= MAX_WORDS:
                self.covers.clear()
            surface = SPACE + word
            ends = [
                (surface[:start], piece)
                for start in range(len(surface))
                for piece in self._pieces_from(surface[start:])
            ]
            texts = [(head + piece).removeprefix(SPACE) for head, piece in ends]
            found = {tuple(self._encode(word))}
            covers = self.model.encode(texts)
            for ids, (_, piece) in zip(covers, ends, strict=True):
                if ids and ids[-1] == self.ids[piece]:
                    found.add(tuple(ids))
            self.covers[word] = [list(ids) for ids in sorted(found)]
        return self.covers[word]

    def _pieces_from(self, beginning: str) -> list[str]:
        """Return the pieces that begin with a text."""
        start = bisect_left(self.ordered, beginning)
        stop = bisect_left(self.ordered, beginning + "\U0010ffff")
        return self.ordered[start:stop]
