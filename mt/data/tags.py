"""Tags of source texts: a domain, a target language, or the mark of back-translated text.

A tag is one token in front of the source. It is no text: the vocabulary has it as a control symbol,
which SentencePiece never finds in text. A source that contains `<news>` is therefore not taken for
a tagged one.

A tagged text is the tag between two marks, followed by the text. The mark is a control character,
which normalised text does not have (`mt.data.normalisation.normalise`), and `add_tag` keeps raw
text from beginning with one, so that the two cannot be confused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from mt.errors import UsageError

MARK = "\x01"
MAX_TAGS = 500  # a column of tags with more values is another column
MAX_LENGTH = 50  # characters

Result = TypeVar("Result")


def add_tag(text: str, tag: str) -> str:
    """Return a text with its tag; with tag "", a text that is not taken for a tagged one."""
    return f"{MARK}{tag}{MARK}{text}" if tag else text.lstrip(MARK)


def split_tag(text: str) -> tuple[str, str]:
    """Return the tag, "" if there is none, and the text without it."""
    if not text.startswith(MARK):
        return "", text
    tag, _, rest = text[1:].partition(MARK)
    return tag, rest


def split_tags(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the tags of texts, and the texts without them."""
    pairs = [split_tag(text) for text in texts]
    return [tag for tag, _ in pairs], [text for _, text in pairs]


def tag_piece(tag: str) -> str:
    """Return the piece of a tag in the vocabulary, which no text contains.

    SentencePiece takes its control symbols out of the text that it learns from.
    """
    return MARK + tag


def is_tag_piece(piece: str) -> bool:
    """Return whether a piece of a vocabulary is that of a tag."""
    return piece.startswith(MARK)


def check_tag(tag: str, name: str) -> str:
    """Return a tag in its normal form; raise UsageError, with the `name` of its origin, if invalid.

    A tag is one word of visible characters, by convention in angle brackets; "" is none.
    """
    tag = unicodedata.normalize("NFC", tag.strip())
    if len(tag) > MAX_LENGTH or not tag.isprintable() or " " in tag:
        raise UsageError(
            f"{name} must be one word of at most {MAX_LENGTH} characters, such as <news>, "
            f"got {tag[: MAX_LENGTH + 1]!r}"
        )
    return tag


def default_tag(trained: Collection[str]) -> str | None:
    """Return the tag of text that is given none; None if one must be chosen.

    `trained` are the tags of the training text, with "" if some of it has none. A model that has
    learned from text without a tag needs none; else its only tag is the default.
    """
    if not trained or "" in trained:
        return ""
    return next(iter(trained)) if len(trained) == 1 else None


def list_tags(tags: Iterable[str]) -> str:
    """Return tags for a message."""
    return ", ".join(sorted(tags)) or "none"


def map_by_tag(
    tags: Sequence[str], function: Callable[[str, list[int]], Sequence[Result]]
) -> list[Result]:
    """Apply a function to the rows of each tag; return its results in the order of the rows.

    `function` is called with each tag and the indices of its rows.
    """
    results: dict[int, Result] = {}
    for tag in dict.fromkeys(tags):
        rows = [row for row, other in enumerate(tags) if other == tag]
        results.update(zip(rows, function(tag, rows), strict=True))
    return [results[row] for row in range(len(tags))]
