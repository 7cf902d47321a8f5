"""A metric appears in mt-evaluate and mt-compare once it is in the table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from helpers.comparing import REFERENCES, damaged, find, inputs
from mt.compare import run
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.results.compute import compute_results
from mt.evaluate import main
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.metric import Metric, MetricOptions
from mt.evaluation.metrics import METRICS, fast_metrics
from mt.evaluation.tables import text_table, to_dict


class ErrorRate(Metric):
    """Share of hypotheses that are not exactly as a reference, in per cent."""

    title = "errors"
    higher_is_better = False

    @classmethod
    def build(cls, options: MetricOptions) -> tuple[ErrorRate, list[str]]:
        return cls(), []

    def sentence_statistics(self, hypotheses: Sequence[str], prepared: Sequence) -> np.ndarray:
        pairs = zip(hypotheses, zip(*prepared, strict=True), strict=True)
        return np.array([[hypothesis not in lines, 1.0] for hypothesis, lines in pairs])

    def scores(self, totals: np.ndarray) -> np.ndarray:
        return 100 * totals[:, 0] / totals[:, 1]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "error_rate", ErrorRate)


def test_it_is_scored_with_an_interval_in_every_group_and_shown_in_the_table() -> None:
    hypotheses = damaged(4)
    evaluation = evaluate_translations(REFERENCES, hypotheses, [REFERENCES], bootstrap=200)
    score = evaluation.scores["error_rate"]
    assert score.value == pytest.approx(25)
    assert score.ci is not None and 0 < score.ci[0] < 25 < score.ci[1] < 100
    assert 0 < evaluation.short.scores["error_rate"].value < 100
    assert to_dict(evaluation)["scores"]["error_rate"]["value"] == score.value
    lines = text_table(evaluation).splitlines()
    header = next(line for line in lines if "count" in line)
    row = next(line for line in lines if line.startswith("short"))
    assert header.split()[-3:] == ["errors", "ratio", "BP"]
    end = header.index("errors") + len("errors")
    assert row[:end].endswith(f" {evaluation.short.scores['error_rate'].value:.1f}")


def test_mt_evaluate_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("hyp", "ref"):
        (tmp_path / name).write_text("a b\nc d\n")
    main(["--hyp", str(tmp_path / "hyp"), "--ref", str(tmp_path / "ref"), "--bootstrap", "0"])
    assert "\nerrors     0.00\n" in capsys.readouterr().out


def test_mt_compare_tests_differences_in_it_and_reports_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in {"base": damaged(3), "better": REFERENCES, "ref": REFERENCES}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    hypotheses = f"hyp={{base: {tmp_path}/base, better: {tmp_path}/better}}"
    out = tmp_path / "out"
    arguments = [hypotheses, f"ref={tmp_path}/ref", f"out={out}", "bootstrap=200"]
    results = run(parse_arguments(arguments))
    assert results is not None
    overall = results.tests[0].overall
    score = find(overall.scores, "base", "error_rate")
    assert score.mean == pytest.approx(100 / 3) and score.interval[1] <= 100
    difference = find(overall.differences, "better", "error_rate")
    assert difference.effect == pytest.approx(-100 / 3)
    assert difference.verdict == "better"  # lower is better
    assert difference.p_randomisation is not None and difference.p_randomisation < 0.05
    assert "errors" in capsys.readouterr().out
    assert "errors" in (out / "report.md").read_text(encoding="utf-8")
    assert ">errors<" in (out / "report.html").read_text(encoding="utf-8")
    assert "better,error_rate," in (out / "results.csv").read_text(encoding="utf-8")


def test_a_slow_metric_is_not_computed_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ErrorRate, "slow", True)
    fast = fast_metrics()
    assert "bleu" in fast and not {"ter", "error_rate"} & set(fast)
    systems = inputs(base=[damaged(3)], better=[REFERENCES])
    assert set(compute_results(systems, bootstrap=100).signatures) == set(fast)
    wanted = compute_results(systems, bootstrap=100, metrics=["error_rate"])
    assert set(wanted.signatures) == {"bleu", "error_rate"}
