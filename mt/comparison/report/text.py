"""Numbers and words as a report writes them."""

from __future__ import annotations

from collections.abc import Sequence


def format_number(number: float | None, digits: int = 1) -> str:
    """Format with a fixed number of decimals; None is empty."""
    return "" if number is None else f"{number:,.{digits}f}"


def format_large(number: float | None) -> str:
    """Format with three digits and a unit, such as 5.90 M; numbers below 10,000 in full."""
    if number is None:
        return ""
    if abs(number) < 9_999.5:
        whole = abs(number) >= 100 or number == round(number)
        return f"{number:,.0f}" if whole else f"{number:.3g}"
    for power, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * power:
            value = number / power
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("no unit fits")


def format_interval(interval: Sequence[float], digits: int = 1) -> str:
    """Format an interval of scores, which are not negative; empty if it has no width.

    All resamples of one sentence, or of only perfect ones, are equal: they show no uncertainty.
    """
    low, high = interval
    return "" if low == high else f"{low:.{digits}f} - {high:.{digits}f}"


def format_signed_interval(interval: Sequence[float], digits: int = 2) -> str:
    """Format an interval of differences; empty if it has no width."""
    low, high = interval
    return "" if low == high else f"{low:+.{digits}f} to {high:+.{digits}f}"


def in_brackets(text: str) -> str:
    """Return text in brackets, after a space; an empty text as it is."""
    return f" ({text})" if text else ""


def format_p(p: float, is_bound: bool = False) -> str:
    """Format a p-value, with <= if more resamples could give a lower one."""
    return "< 0.001" if p < 0.001 else f"{'<= ' * is_bound}{p:.3f}"


def count_noun(number: int, noun: str) -> str:
    """Return "1 run" or "3 runs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def join_words(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def quote_name(system: str) -> str:
    """Mark a system's name in running text, where "none" could be taken for a word."""
    return f"`{system}`"
