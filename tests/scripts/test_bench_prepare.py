"""The benchmark of preparation: its table, and that it notices other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.benchmarks import cells, load
from mt.errors import MTError


def test_it_compares_numbers_of_workers_on_the_same_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load("bench_prepare")
    monkeypatch.setattr(script, "run", script.measure)  # in this process
    settings = ["data.tokenizer.vocab_size=400", "data.tokenizer.train_lines=100"]
    flags = ["--pairs", "120", "--workers", "1", "2"]
    script.main([*settings, *flags])
    out = capsys.readouterr().out
    rows = cells(out)
    assert list(rows) == ["1", "2"] and rows["1"]["speed"] == "1.00"
    assert "prepared pairs are found again" in out
    contents = iter("ab")
    monkeypatch.setattr(script, "run", lambda settings: {"content": next(contents)})
    with pytest.raises(MTError, match="2 workers prepare other files than 1"):
        script.main([*settings, *flags])
