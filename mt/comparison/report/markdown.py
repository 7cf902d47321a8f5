"""report.md, which is also what the command prints."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mt.comparison.report.answer import answer, clauses, warnings
from mt.comparison.report.attention import aer_table, layers_table
from mt.comparison.report.details import (
    cost_table,
    frequency_table,
    reach_table,
    run_table,
    settings_table,
    versions_table,
    words_table,
)
from mt.comparison.report.lookups import Results, metric_title, test_title
from mt.comparison.report.tables import (
    differences_table,
    lengths_table,
    scores_table,
    short_outputs_table,
)
from mt.comparison.table import markdown_table

FOOT = (
    "Intervals are 95 %, over sentences and, where there are several runs, over seeds. p (Holm): paired bootstrap, corrected for the "
    "number of variants. p (these runs): approximate randomisation, which says nothing of other seeds. BP: brevity penalty. "
    "\\* too few to mean much."
)


def summary(results: Results) -> str:
    """What is known and how surely, with the tables of scores: what one reads in a terminal. Ends without a newline."""
    parts = [
        " ".join(answer(results)),
        _bullets([f"warning: {text}" for text in warnings(results)]),
    ]
    parts.append(
        "\n".join(
            f"- **{name}** against {results['baseline']}, by BLEU: {text}"
            for name, text in clauses(results)
        )
    )
    for test in results["tests"]:
        title = test_title(test, results)
        parts.append(f"**{title[0].upper()}{title[1:]}**" if title else "")
        tables = (scores_table, differences_table, lengths_table)
        parts += [markdown_table(make(results, test)) for make in tables]
    parts.append(FOOT)
    return _joined(parts)


def markdown(results: Results, pictures: Sequence[str] = ()) -> str:
    """The whole report; `pictures` are files to show, relative to it. Ends with a newline."""
    parts = [
        f"# {results.get('title') or 'Comparison'}",
        results.get("question") or "",
        summary(results),
    ]
    parts += [
        f"![{picture.rpartition('/')[2].rpartition('.')[0]}]({picture})" for picture in pictures
    ]
    for test in results["tests"]:
        parts += _part(
            f"Does it stop early, or err? {test_title(test, results)}".strip(),
            [short_outputs_table(results, test)],
        )
    parts += _part("Training", [reach_table(results)])
    parts += _part("Cost", [cost_table(results)])
    parts += _part("Words", [frequency_table(results), words_table(results)])
    parts += _part("Attention", [aer_table(results), layers_table(results)])
    command = (results.get("made") or {}).get("command") or []
    parts += ["## How it was made", f"    {shlex.join(command)}" if command else ""]
    parts += [markdown_table(make(results)) for make in (settings_table, run_table, versions_table)]
    parts.append(_bullets(list((results.get("made") or {}).get("match_parameters") or [])))
    lines = [f"note: {note}" for note in results["notes"]]
    lines += [
        f"{metric_title(name)}: `{signature}`" for name, signature in results["signatures"].items()
    ]
    return _joined([*parts, "  \n".join(lines)]) + "\n"


def _part(title: str, tables: Sequence) -> list[str]:
    texts = [text for text in map(markdown_table, tables) if text]
    return [f"## {title}", *texts] if texts else []


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part)
