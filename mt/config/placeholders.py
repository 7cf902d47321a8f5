"""The kinds of placeholders, with their patterns, and the check of the settings that name them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from mt.config.data_schema import DataConfig
from mt.errors import UsageError

ALL = "all"
CUSTOM = "re:"  # before a pattern of the user's own

# Letters of scripts that put no space after a URL do not belong to it.
URL_LETTER = r"(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{M}]"
URL_PART = (  # brackets only in pairs
    rf"(?:[0-9\-._~:/?#@!$&*+,;=%']|{URL_LETTER}"
    r"|\([^()\s]{0,100}+\)|\[[^\[\]\s]{0,100}+\]|\{[^{}\s]{0,100}+\})"
)

# In the order in which they are tried at each position. Repetitions are possessive or limited, so
# that a line takes linear time.
KINDS = {
    # https://example.org/a?b=c, www.example.org; punctuation at the end is not part of it
    "url": rf"(?<!\p{{N}}|{URL_LETTER})(?:(?:https?|ftp)://|www\.){URL_PART}{{1,2000}}(?<![.,;:!?'])",
    # name@example.org
    "email": r"(?<![\w.%+-])[\w.%+-]++@[\p{L}\p{N}-]++(?:\.[\p{L}\p{N}-]++)++(?<=\p{L}{2})",
    # <b>, </b>, <br/>, <a href="x y">, <!-- a comment -->
    "tag": r"<!--[^<>]{0,1000}?-->|</?[\p{L}_][\w:.-]{0,100}+(?:\s[^<>]{0,1000}+|/)?+>",
    # {}, {0}, {name}, {x:.2f}, ${name}, %{name}, {{ name }}
    "braces": r"\{\{[^{}]{1,100}+\}\}|[$%#]?\{[^{}\s]{0,100}+\}",
    # %s, %1$d, %(name)s, %-5.2f, %%; not after a number ("5%ige")
    "printf": r"(?<!%)%%(?!%)|(?<![\p{N}%])%(?:\d{1,3}+\$|\(\w{1,100}+\))?+[-+#0]{0,5}+"
    r"(?:\d{1,4}+|\*)?+(?:\.(?:\d{1,4}+|\*))?+(?:hh?|ll?|[Lqjzt])?+[diouxXeEfFgGaAcCsSpn@]",
    # :ref:, :py:func:
    "role": r"(?<![\w:])(?::[A-Za-z][\w+-]{0,50}+){1,5}+:(?![\w:])",
    # __name__
    "dunder": r"(?<!\w)__[^\W_]++(?:_[^\W_]++)*+__(?!\w)",
}


def placeholder_patterns(kinds: Sequence[str]) -> list[str]:
    """Return the patterns of data.tokenizer.placeholders, in the order in which they are tried.

    Raises UsageError if a name is unknown or a pattern is none.
    """
    patterns = [_custom_pattern(kind) for kind in kinds if kind.startswith(CUSTOM)]
    names = [kind for kind in kinds if not kind.startswith(CUSTOM)]
    for name in names:
        if name not in (*KINDS, ALL):
            near = difflib.get_close_matches(name, KINDS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"data.tokenizer.placeholders must be {ALL}, or some of {', '.join(KINDS)} and "
                f"{CUSTOM}PATTERN, got {name!r}{hint}"
            )
    return patterns + [p for name, p in KINDS.items() if name in names or ALL in names]


def _custom_pattern(kind: str) -> str:
    pattern = kind[len(CUSTOM) :]
    if regex.search(r"\\[1-9]", pattern):
        raise UsageError(
            f"data.tokenizer.placeholders: name the groups that {pattern!r} refers to, as in "
            "(?P<quote>['\"])x(?P=quote)"
        )
    try:
        matches_nothing = regex.compile(pattern, regex.V1).search("") is not None
    except regex.error as error:
        raise UsageError(
            f"data.tokenizer.placeholders: {pattern!r} is no regular expression: {error}"
        ) from None
    if matches_nothing:
        raise UsageError(f"data.tokenizer.placeholders: {pattern!r} must not match an empty text")
    return pattern


def check_symbols(config: DataConfig) -> None:
    """Raise UsageError if data.tokenizer has symbols or placeholders that cannot be."""
    placeholder_patterns(config.tokenizer.placeholders)
    form = config.clean.unicode
    for symbol in config.tokenizer.symbols:
        name = "data.tokenizer.symbols"
        if not symbol or not symbol.isprintable() or any(map(str.isspace, symbol)):
            raise UsageError(f"{name} must have visible characters and no spaces, got {symbol!r}")
        if "▁" in symbol:
            raise UsageError(f"{name} must not contain U+2581, SentencePiece's space: {symbol!r}")
        if form != "none" and symbol != (usual := unicodedata.normalize(form, symbol)):  # type: ignore[arg-type]
            raise UsageError(
                f"{name}: text has {usual!r} in place of {symbol!r} (data.clean.unicode={form})"
            )
