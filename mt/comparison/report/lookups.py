"""Reading results.json: the look-ups and ways of writing numbers that all forms of a report share."""

from __future__ import annotations

from typing import Any

from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE, METRICS

Results = dict[str, Any]  # docs/comparison.md lists the keys

IMPROVING = "still improving"
FLOOR = "never left the floor"


def system_names(results: Results) -> list[str]:
    return [system["name"] for system in results["systems"]]


def styles(results: Results) -> dict[str, int]:
    """Which colour, dash and marker a system has: the baseline the neutral first."""
    others = [name for name in system_names(results) if name != results["baseline"]]
    return {name: number for number, name in enumerate([results["baseline"], *others])}


def metrics(results: Results) -> list[str]:
    """In the order of the signatures; BLEU is always one."""
    return list(results["signatures"])


def metric_title(name: str) -> str:
    """Return how tables and texts call a metric: BLEU for bleu."""
    return METRICS[name].title


def headline(results: Results) -> dict[str, Any]:
    """The test set that the answer is about."""
    return results["tests"][0]


def find(
    entries: list[dict[str, Any]], system: str, metric: str = HEADLINE
) -> dict[str, Any] | None:
    """The entry of a group's `scores` or `differences`; None where there is none, as in a group without sentences."""
    return next(
        (entry for entry in entries if entry["system"] == system and entry["metric"] == metric),
        None,
    )


def groups(test: dict[str, Any]) -> list[dict[str, Any]]:
    """Short, long and each length: those that have sentences."""
    return [
        group for group in (test["short"], test["long"], *test["buckets"]) if group["sentences"]
    ]


def buckets(test: dict[str, Any]) -> list[dict[str, Any]]:
    return [group for group in test["buckets"] if group["sentences"]]


def is_small(group: dict[str, Any]) -> bool:
    """Too few sentences for scores to mean much."""
    return group["sentences"] < MIN_SENTENCES


def flags(system: dict[str, Any]) -> list[str]:
    """What must be said wherever a system's figures are shown."""
    return [
        text
        for text, raised in ((FLOOR, system.get("floor")), (IMPROVING, system["unfinished"]))
        if raised
    ]


def label(system: dict[str, Any]) -> str:
    """Its name with its flags."""
    return system["name"] + (f" ({', '.join(flags(system))})" if flags(system) else "")


def caveat(results: Results, name: str) -> str:
    """The flags of a system, for a legend."""
    return ", ".join(
        next((flags(system) for system in results["systems"] if system["name"] == name), [])
    )


def titles(results: Results, names: list[str]) -> list[str]:
    """Names with their flags, for the columns of a table."""
    labels = {system["name"]: label(system) for system in results["systems"]}
    return [labels[name] for name in names]


def seeds_tested(results: Results) -> bool:
    """Whether every system has several runs."""
    return all(len(system["runs"]) > 1 for system in results["systems"])


def test_title(test: dict[str, Any], results: Results) -> str:
    """How a heading names it; nothing where there is one test set."""
    return f"test set \u201c{test['name']}\u201d" if len(results["tests"]) > 1 else ""


def named(system: str) -> str:
    """A system's name in running text, where "none" could be taken for a word."""
    return f"`{system}`"


def listed(words: list[str]) -> str:
    """a, b and c"""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def span(low: float, high: float, digits: int = 1) -> str:
    """An interval of scores, which are not negative."""
    return f"{low:.{digits}f} - {high:.{digits}f}"


def signed_span(low: float, high: float, digits: int = 2) -> str:
    return f"{low:+.{digits}f} to {high:+.{digits}f}"


def p_value(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def large(number: float | None) -> str:
    """Three digits and a unit: 5.90 M; what is below 10,000 in full."""
    if number is None:
        return ""
    if abs(number) < 9_999.5:
        return (
            f"{number:,.0f}" if abs(number) >= 100 or number == round(number) else f"{number:.3g}"
        )
    for power, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * power:
            value = number / power
            return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f} {unit}"
    raise AssertionError("no unit fits")


def plain(number: float | None, digits: int = 1) -> str:
    return "" if number is None else f"{number:,.{digits}f}"


def counted(number: int, one: str) -> str:
    """1 run, 3 runs"""
    return f"{number:,} {one}{'s' * (number != 1)}"
