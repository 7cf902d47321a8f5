"""Checks of the arguments of Translator and Inspector, with errors that say what to call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypedDict

from mt.decoding.options import SearchOptions
from mt.errors import UsageError

READ_ATTENTION = "read attention and alignments with mt.inspect(translator)"
OTHER_CALLS = {
    "return_attention": READ_ATTENTION,
    "attention": READ_ATTENTION,
    "alignments": READ_ATTENTION,
    "batch_tokens": "give it to mt.load",
    "workers": "give it to mt.load",
    "tag": "give it to mt.load, or call translator.with_tag(tag).translate(lines)",
    "device": "give it to mt.load",
    "precision": "give it to mt.load",
}


class SearchArguments(TypedDict, total=False):
    """The fields of SearchOptions as keyword arguments."""

    beam: int
    nbest: int
    length_penalty: float
    max_ratio: float
    max_extra: int
    min_length: int
    no_repeat_ngram: int
    repetition_penalty: float
    sample: bool
    temperature: float
    top_k: int
    top_p: float
    epsilon: float
    mbr: int
    mbr_metric: str


def merge_options(defaults: SearchOptions, arguments: Mapping[str, Any]) -> SearchOptions:
    """Return `defaults` with the given fields replaced.

    Raises UsageError for unknown names and invalid values.
    """
    names = list(SearchOptions.__dataclass_fields__)
    for name in arguments:
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = OTHER_CALLS.get(name) or (
                f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            )
            raise UsageError(f"unknown search option {name!r}: {hint}")
    return replace(defaults, **arguments)


def check_lines(lines: Iterable[str], name: str = "lines", item: str = "line") -> Iterator[str]:
    """Return an iterator over the lines; `name` and `item` are those of the argument.

    Raises UsageError if they are not an iterable of strings: at once if `lines` is a single string
    or no iterable, else when the line is reached.
    """
    if isinstance(lines, str):
        advice = ", or call translate" if name == "lines" else ""
        raise UsageError(f"{name} must be several strings, got one: give [text]{advice}")
    if isinstance(lines, bytes) or not isinstance(lines, Iterable):
        raise UsageError(f"{name} must be strings, got {describe(lines)}")
    return _check_each_line(lines, item)


def _check_each_line(lines: Iterable[str], item: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str):
            raise UsageError(f"{item} {number} must be a string, got {describe(line)}")
        yield line


def add_prefixes(
    chunks: Iterable[list[str]], prefixes: Iterator[str] | None
) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield each chunk of lines with the prefixes of its lines, or with None if there are none.

    Raises UsageError if there are not as many prefixes as lines.
    """
    for chunk in chunks:
        taken = None if prefixes is None else list(islice(prefixes, len(chunk)))
        if taken is not None and len(taken) < len(chunk):
            raise _prefix_error("fewer")
        yield chunk, taken
    if prefixes is not None and next(prefixes, None) is not None:
        raise _prefix_error("more")


def _prefix_error(relation: str) -> UsageError:
    return UsageError(
        f"there are {relation} prefixes than lines: give one for each, which may be empty"
    )


def check_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs as a list. Raises UsageError unless each is two strings."""
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise UsageError(f"pairs must be (source, target) texts, got {describe(pairs)}")
    pairs = list(pairs)
    for number, pair in enumerate(pairs, start=1):
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair or not all(isinstance(text, str) for text in pair):
            raise UsageError(
                f"pair {number} must be a (source, target) of strings, got {describe(pair)}"
            )
    return pairs


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise UsageError unless `value` is an integer from `least` to `most`."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        limit = "" if most is None else f" and <= {most}"
        raise UsageError(f"{name} must be an integer >= {least}{limit}, got {describe(value)}")


def describe(value: Any) -> str:
    """Return the beginning of a value and its type, for an error message."""
    if value is None:
        return "None"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
