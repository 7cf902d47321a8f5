"""The benchmark of imported models runs, and its contestants translate alike."""

from __future__ import annotations

import pytest
import torch

from helpers.benchmarks import cells, load


@pytest.mark.parametrize("shape", ["marian", "m2m"])
def test_contestants_translate_a_small_model_alike(
    shape: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    bench = load("bench_import")
    monkeypatch.setitem(bench.SHAPES, shape, (32, 1, 4, 48, 600))
    monkeypatch.setattr(bench, "PIECES", 300)
    torch.manual_seed(1)
    size = "--lines 6 --batch 3 --length 5 --beams 2 --repeats 1 --threads 1 --cpu-time"
    bench.main(["--shape", shape, *size.split()])
    rows = cells(capsys.readouterr().out)
    assert [*rows] == ["transformers", "mt, pytorch", "mt, ctranslate2"]
    for row in rows.values():
        assert float(row["lines/s"]) > 0 and row["equal outputs"] == "100.0%"
    assert rows["transformers"]["speed-up of mt"] == "1.00 (1.00 - 1.00)"


def test_what_is_measured_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, message in (("", "give a folder or --shape"), ("x --cpu-time", "--threads 1")):
        with pytest.raises(SystemExit) as stop:
            load("bench_import").main(flags.split())
        assert stop.value.code == 2 and message in capsys.readouterr().err
