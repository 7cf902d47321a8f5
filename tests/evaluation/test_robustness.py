"""Scores on modified text, against scores computed by hand and by sacreBLEU."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from helpers.tiny_models import sentences
from mt.config.placeholders import placeholder_patterns
from mt.data.noise import MODIFICATIONS
from mt.data.normalisation import Normaliser
from mt.data.symbols import Symbols
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import resamples
from mt.evaluation.robustness import (
    METRIC_NAMES,
    RobustnessRow,
    measure_robustness,
    robustness_dict,
    robustness_table,
)

SOURCES = [f"The {line.removesuffix('.')} sees {{name}}." for line in sentences(120)]


def measure(translate, sources=SOURCES, bootstrap=100) -> dict[str, RobustnessRow]:
    metrics, _ = build_metrics("en", names=METRIC_NAMES)
    rows = measure_robustness(
        translate,
        sources,
        translate("", sources),
        [sources],
        metrics,
        Symbols(patterns=placeholder_patterns(["braces"])),
        Normaliser(),
        bootstrap,
    )
    return {row.name: row for row in rows}


def test_a_model_that_copies_has_the_scores_of_the_modified_sources() -> None:
    seen: dict[str, list[str]] = {}

    def copy(name: str, lines: list[str]) -> list[str]:
        seen[name] = lines
        return lines

    rows = measure(copy)
    assert list(rows) == ["", *MODIFICATIONS] and rows[""].differences == {}
    for name in ("", "upper", "title"):
        assert rows[name].scores["bleu"].value == pytest.approx(100)
    assert rows["upper"].changed == 120 and rows["upper"].differences["bleu"].ci == pytest.approx(
        (0, 0)
    )
    assert seen.pop("") == SOURCES and list(seen) == list(MODIFICATIONS)
    for name, lines in seen.items():
        assert all("{name}" in line for line in lines)
        references = [[line.upper().replace("{NAME}", "{name}") for line in SOURCES]]
        if name != "upper":
            references = [SOURCES] if name != "title" else [lines]
        row = rows[name]
        bleu = sacrebleu.corpus_bleu(lines, references).score
        chrf = sacrebleu.corpus_chrf(lines, references).score
        assert row.scores["bleu"].value == pytest.approx(bleu)
        assert row.scores["chrf"].value == pytest.approx(chrf)
        assert row.differences["bleu"].value == pytest.approx(bleu - 100)
    assert rows["typos"].differences["bleu"].ci[1] < 0


def test_intervals_of_differences_are_paired() -> None:
    sources = SOURCES[:50]

    def translate(name: str, lines: list[str]) -> list[str]:
        return [line.lower() if line.isupper() else line[: len(line) // 2] for line in lines]

    row = measure(translate, sources)["punctuation"]
    differences = []
    for weights in resamples(50, 100):
        chosen = np.repeat(np.arange(50), weights)
        scores = [
            sacrebleu.corpus_bleu(
                [line[: len(line) // 2] for line in (lines[i] for i in chosen)],
                [[sources[i] for i in chosen]],
            ).score
            for lines in (sources, _without_punctuation(sources))
        ]
        differences.append(scores[1] - scores[0])
    differences.sort()
    assert row.differences["bleu"].ci == pytest.approx((differences[2], differences[-3]))


def _without_punctuation(lines: list[str]) -> list[str]:
    """Remove the marks of the tiny corpus, which stand alone or at the end."""
    cleaned = []
    for line in lines:
        words = [word.rstrip(".,?") if "{" not in word else "{name}" for word in line.split(" ")]
        cleaned.append(" ".join(word for word in words if word))
    return cleaned


def copied(name: str, lines: list[str]) -> list[str]:
    return lines


def test_everything_is_deterministic_and_shown(capsys: pytest.CaptureFixture) -> None:
    first, second = measure(copied, SOURCES[:20], 0), measure(copied, SOURCES[:20], 0)
    assert robustness_dict(list(first.values())) == robustness_dict(list(second.values()))
    table = robustness_table(list(first.values()))
    assert "upper case*" in table and "95 %" not in table
    assert "* the references are modified in the same way" in table
    assert "95 % interval" in robustness_table(list(measure(copied, SOURCES[:20], 100).values()))
    assert max(map(len, table.splitlines())) <= 100
