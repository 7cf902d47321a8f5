"""BLEU by sentence length of several runs, side by side: what mt-train left in test.json, or files that mt-evaluate --json wrote.

python scripts/by_length.py runs/why_attention-*
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mt.command import Parser
from mt.errors import MTError, run_command

SETTINGS = ("unit", "length_by", "lowercase")  # must agree for scores to be comparable


def main() -> None:
    parser = Parser("by_length.py", "BLEU by sentence length of several runs, side by side.", "")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory, or a file that mt-evaluate --json wrote")
    run_command(lambda: print(side_by_side(parser.parse_args().runs)))


def side_by_side(runs: Sequence[str]) -> str:
    """One row a length bucket, one column a run; `*` where there are too few sentences to mean much."""
    evaluations = [read(Path(run)) for run in runs]
    tables = [{bucket["label"]: bucket for bucket in evaluation["buckets"]} for evaluation in evaluations]
    labels = [label for label in tables[0] if any(table[label]["count"] for table in tables if label in table)]
    for run, table, evaluation in zip(runs[1:], tables[1:], evaluations[1:], strict=True):
        if any(evaluation[name] != evaluations[0][name] for name in SETTINGS):
            raise MTError(f"{run} and {runs[0]} were scored with other settings ({', '.join(SETTINGS)}): their scores cannot be compared")
        if {label: table.get(label, {}).get("count") for label in labels} != {label: tables[0][label]["count"] for label in labels}:
            raise MTError(f"{run} and {runs[0]} were tested on other sentences or by other lengths: their scores cannot be compared")
    names = [Path(run).name for run in runs]
    widths = [max(8, len(name)) for name in names]
    unit = evaluations[0]["unit"]
    rows = [["sentences", *names]]
    rows += [[str(tables[0][label]["count"]), *(cell(table[label]) for table in tables)] for label in labels]
    rows += [[str(evaluations[0]["sentences"]), *(f"{evaluation['scores']['bleu']['value']:.1f} " for evaluation in evaluations)]]
    lines = [
        f"{label:12}{row[0]:>10}" + "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths, strict=True))
        for label, row in zip([unit, *labels, "all"], rows, strict=True)
    ]
    return "\n".join(["BLEU by length", *lines])


def cell(bucket: dict[str, Any]) -> str:
    return f"{bucket['scores']['bleu']['value']:.1f}{'*' if bucket['small'] else ' '}" if bucket["scores"] else "- "


def read(path: Path) -> dict[str, Any]:
    path = path / "test.json" if path.is_dir() else path
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MTError(f"there is no {path}: it is written when mt-train has tested the model") from None
    except ValueError as error:
        raise MTError(f"{path} is no evaluation: {error}") from error
    if not isinstance(found, dict) or not {"buckets", "scores", *SETTINGS} <= found.keys():
        raise MTError(f"{path} is no evaluation: give a run directory, or a file that mt-evaluate --json wrote")
    return found


if __name__ == "__main__":
    main()
