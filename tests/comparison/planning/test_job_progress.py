"""Progress of a run that another process trains, read from its metrics."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from mt.comparison.planning.progress import RunProgress
from mt.run_folder import RunFolder


def record(kind: str, step: int, **values: float) -> str:
    return json.dumps({"kind": kind, "step": step, **values}) + "\n"


def train(step: int, loss: float = 1.234) -> str:
    values = {"loss": loss, "tokens_per_second": 4012.3, "minutes": step / 600}
    left = {"minutes_left": (2400 - step) / 600, "may_end_earlier": step < 1800}
    return record("train", step, **values, **(left if step > 600 else {}))


def test_progress_is_read_from_the_metrics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, clock = RunFolder.at(tmp_path), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def lines() -> list[str]:
        progress.update()
        return capsys.readouterr().err.splitlines()

    folder.metrics.write_text(train(600) + train(900), encoding="utf-8")
    progress = RunProgress(folder, "[1/2] a-1")
    assert lines() == []  # of an earlier start
    # The run continues from step 600.
    validation = record("val", 1200, bleu=3.0, loss=2.5)
    text = train(600) + train(1200) + train(1300) + validation + '{"kind": "tr'
    folder.metrics.write_text(text, encoding="utf-8")
    assert lines() == [
        "[1/2] a-1  step 1,200  loss 1.234  4,012 tok/s  2:00, at most 2:00 left",
        "[1/2] a-1  validation at step 1,200: BLEU 3.00, loss 2.500",
    ]
    clock[0] += 25
    text = text.removesuffix('{"kind": "tr') + train(1800)
    folder.metrics.write_text(text, encoding="utf-8")
    assert lines() == ["[1/2] a-1  step 1,800  loss 1.234  4,012 tok/s  3:00, 1:00 left"]
    text += record("plateau", 2000, bleu=3.0, loss=2.5) + record("decay", 2001, minutes=3.3)
    folder.metrics.write_text(text, encoding="utf-8")
    assert lines() == [
        "[1/2] a-1  plateau at step 2,000",
        "[1/2] a-1  final decay of the rate at step 2,001",
    ]
    clock[0] += 25
    text += train(2400, float("nan"))
    folder.metrics.write_text(text, encoding="utf-8")
    assert lines() == ["[1/2] a-1  step 2,400  loss nan  4,012 tok/s  4:00, done"]
    assert lines() == []
