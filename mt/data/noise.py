"""Noise: the same text as other people would write it, in capitals, with typing errors and so on.

Training on some of it makes a model robust (Belinkov and Bisk 2018; Khayrallah and Koehn 2018), and
translating it measures how robust a model is. A modification of case changes both sides, because a
translation keeps the case of its source. The others change the source alone: the model learns to
ignore them. OpusTrainer's modifiers do the same (Bogoychev et al. 2023, "OpusCleaner and
OpusTrainer").

Symbols, placeholders and tags stay as they are.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import regex  # type: ignore[import-untyped]

from mt.config.schema import NoiseConfig
from mt.data.symbols import Symbols
from mt.data.tags import add_tag, split_tag

TYPO_RATE = 0.1  # share of the words with a typing error; at least one word has one
MIN_LETTERS = 4  # of a word with a typing error
LONG_WORD = regex.compile(rf"[\p{{L}}\p{{M}}]{{{MIN_LETTERS},}}")
# Not inside of a word or number: "don't", "3.5".
PUNCTUATION = regex.compile(r"(?<![\p{L}\p{N}])\p{P}+|\p{P}+(?![\p{L}\p{N}])")
SPACES = regex.compile(r" {2,}")
COPIED_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

Modify = Callable[[str, random.Random], str]


def upper_case(text: str, draw: random.Random) -> str:
    """Return the text in capitals, by the rules of Unicode for all languages."""
    return text.upper()


def title_case(text: str, draw: random.Random) -> str:
    """Return the text with a capital at the beginning of each word between spaces."""
    return " ".join(word[:1].title() + word[1:] for word in text.split(" "))


def lower_case(text: str, draw: random.Random) -> str:
    """Return the text in small letters."""
    return text.lower()


def no_punctuation(text: str, draw: random.Random) -> str:
    """Return the text without punctuation, except inside words and numbers."""
    return SPACES.sub(" ", PUNCTUATION.sub("", text)).strip(" ")


def typing_errors(text: str, draw: random.Random) -> str:
    """Return the text with an error in a tenth of the words, in one at least.

    An error swaps two letters, leaves one out, doubles one, or replaces one by another letter of
    the text, which works in all alphabets. The first letter of a word stays.
    """
    words = list(LONG_WORD.finditer(text))
    if not words:
        return text
    count = max(1, round(TYPO_RATE * len(words)))
    letters = "".join(match[0] for match in words)
    for match in sorted(draw.sample(words, count), key=lambda match: -match.start()):
        place = draw.randrange(match.start() + 1, match.end() - 1)
        first, second = text[place], text[place + 1]
        error = draw.choice((second + first, second, first * 2 + second, ""))
        text = text[:place] + (error or draw.choice(letters) + second) + text[place + 2 :]
    return text


@dataclass(frozen=True)
class Modification:
    """A modification of a sentence; `both`: of its translation too."""

    modify: Modify
    both: bool


MODIFICATIONS = {  # keys are settings of data.noise
    "upper": Modification(upper_case, both=True),
    "title": Modification(title_case, both=True),
    "lower": Modification(lower_case, both=False),
    "typos": Modification(typing_errors, both=False),
    "punctuation": Modification(no_punctuation, both=False),
}
COPY = "copy"


def modify_text(modify: Modify, text: str, symbols: Symbols, draw: random.Random) -> str:
    """Modify a text except its tag, symbols and placeholders; as it is, if nothing would be left.

    The result has no spaces at its ends, as normalised text.
    """
    tag, plain = split_tag(text)
    hidden, restore = symbols.hide(plain)
    # A change of case can leave the normal form of normalised text.
    modified = restore(unicodedata.normalize("NFC", modify(hidden, draw))).strip()
    return add_tag(modified, tag) if modified else text


class Noise:
    """The noise of training: each pair is modified in one way at most, or stays as it is."""

    def __init__(self, config: NoiseConfig, symbols: Symbols) -> None:
        self.shares, self.symbols = asdict(config), symbols

    def __bool__(self) -> bool:
        return any(self.shares.values())

    def choose(self, draw: random.Random) -> str:
        """Draw the name of a modification, or "" for none."""
        number = draw.random()
        for name, share in self.shares.items():
            if number < share:
                return name
            number -= share
        return ""

    def __call__(self, source: str, target: str, draw: random.Random) -> tuple[str, str]:
        """Return a pair with the noise that is drawn for it."""
        name = self.choose(draw)
        if name == COPY:
            return self._add_word(source, target, draw)
        if not name:
            return source, target
        modification = MODIFICATIONS[name]
        source = modify_text(modification.modify, source, self.symbols, draw)
        if modification.both:
            target = modify_text(modification.modify, target, self.symbols, draw)
        return source, target

    def one_side(self, lines: Iterable[str], side: str) -> Iterator[str]:
        """Yield the lines of one side of a corpus with noise, the same for the same lines."""
        if not self:
            yield from lines
            return
        for number, line in enumerate(lines):
            yield self(line, line, random.Random(number))[side == "tgt"]

    @staticmethod
    def _add_word(source: str, target: str, draw: random.Random) -> tuple[str, str]:
        """Put a random word in front of both sides or after them, which the model has to copy."""
        word = "".join(draw.choices(COPIED_LETTERS, k=draw.randint(3, 10)))
        tag, plain = split_tag(source)
        if draw.random() < 0.5:
            return add_tag(f"{word} {plain}", tag), f"{word} {target}"
        return f"{source} {word}", f"{target} {word}"
