"""results.json: written and read, and damaged files refused with the path of the mistake."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mt.comparison.schema import attention, scores, systems
from mt.comparison.schema import results as root
from mt.comparison.schema.results import VERSION, Results, read_results, write_results
from mt.comparison.schema.typed_json import from_json, to_json
from mt.errors import MTError


def results() -> Results:
    score = scores.SystemScore("a", "bleu", 20.5, (19.0, 22), [20.5], None, 3, False, True)
    needed = scores.Needed(14, None, True)
    difference = scores.ScoreDifference(
        *("b", "a", "bleu", 1.0, (-1.0, 3.0), 0.2, 0.4, False, None, True, True),
        *("not distinguishable", "not distinguishable (+1.0)", needed),
    )
    group = scores.SentenceGroup("all", 3, [score, score, score], [difference])
    empty = scores.SentenceGroup("51+", 0, [], [])
    value = scores.MeasureValue(None, [None, 2.0], None, 0, True)
    point = systems.ValidationPoint(50, 0.5, None, 3.0, None)
    run = systems.RunResult("runs/a", 1, False, systems.Cost(steps=50), [point], {"5": None})
    matrix: Any = [[0.5, None]]
    heads = attention.HeadSummary(*[matrix] * 6)
    layers = attention.LayerSummary(*[[0.5]] * 6)
    metric = attention.AttentionMetric(heads, layers, None, 1.0)
    kind = attention.AttentionKind(1, 2, "EOS", [(0, 1)], {"evenness": metric})
    by_length = attention.AttentionByLength("1-10", 3, {"cross": {"evenness": [0.5]}})
    weights = {"cross": root.MapWeights([1, 1, 1, 2], [90, 10])}
    return Results(
        title="Does it help?",
        question="",
        provenance=systems.Provenance(
            ["mt-compare"], "2026", {"mt": None}, None, systems.Hardware("cpu", 2, "Linux"), "", []
        ),
        baseline="a",
        lang="de",
        bootstrap=1000,
        notes=["a note"],
        signatures={"bleu": "x"},
        systems=[
            systems.SystemResult(
                "a", False, True, 3.0, 10, {"optim.lr": 1e-3, "x": None}, [run], None
            )
        ],
        failed=[systems.FailedRun("a", 2, "runs/a-2", "no memory")],
        tests=[
            scores.TestResult(
                *(
                    "test",
                    scores.LengthGrouping("source", "words", 20),
                    group,
                    group,
                    empty,
                    [empty],
                    [difference],
                    scores.Retention([score], [difference]),
                    [scores.ConstructionResult(group, 31.5, None)],
                )
            )
        ],
        words=[
            scores.WordResult(
                "a",
                [scores.FrequencyBand("0", 0, None, 4, value, value, value)],
                *[value] * 4,
                *[None] * 3,
                [scores.DecidedWords("noun", "4-7", 4, 7, 12, value, value)],
            )
        ],
        attention=[
            attention.AttentionResult(
                *("a", True, attention.AlignmentMeasure(value), None),
                attention.AttentionDiagnostics(
                    *(3, 2, 1, 20, "words", 1.5, None, 0, {"cross": kind}, [], [by_length])
                ),
                aer_by_layer=[attention.LayerAlignment(1, value, None)],
            )
        ],
        sentences=[
            root.SentenceResult(
                *(0, None, "x y", {"a": "x"}, {"a": 3.5}, 0.0),
                {"a": [root.DiffSegment(True, "x", "x")]},
                {"a": root.AttentionMap("a", ["x"], ["y"], weights), "b": None},
            )
        ],
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_results(results(), tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["bootstrap"], "x", "bootstrap must be a whole number"),
        (["bootstrap"], True, "bootstrap must be a whole number"),
        (["baseline"], ..., "baseline is missing"),
        (["extra"], 1, "extra is unknown"),
        (["notes", 0], None, r"notes\[0\] must be a text"),
        (
            ["tests", 0, "overall", "scores", 2, "mean"],
            "20",
            r"tests\[0\]\.overall\.scores\[2\]\.mean must be a number",
        ),
        (
            ["tests", 0, "overall", "scores", 2, "interval"],
            [1.0],
            r"tests\[0\]\.overall\.scores\[2\]\.interval must have 2 entries, got 1",
        ),
        (["tests", 0, "length"], [], r"tests\[0\]\.length must be an object"),
        (["systems", 0, "cost"], 3, r"systems\[0\]\.cost must be an object or null"),
        (["sentences", 0, "scores", "a"], None, r"sentences\[0\]\.scores\.a must be a number"),
    ],
)
def test_a_mistake_is_named_by_its_place(
    tmp_path: Path, place: list[Any], value: Any, message: str
) -> None:
    content = json.loads(to_json(results()))
    target = content
    for step in place[:-1]:
        target = target[step]
    if value is ...:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MTError, match=f"results.json: {message}$"):
        read_results(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(replace(results(), version=VERSION - 1), path)
    with pytest.raises(MTError, match=f"has version {VERSION - 1}.*run mt-compare again"):
        read_results(path)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_file_that_holds_no_results_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(MTError, match="results.json"):
        read_results(tmp_path / "results.json")


def test_numbers_must_be_finite() -> None:
    with pytest.raises(ValueError):
        to_json(replace(results(), bootstrap=math.nan))  # type: ignore[arg-type]
    with pytest.raises(MTError, match="must be a number"):
        from_json(float, math.inf, "mean")
