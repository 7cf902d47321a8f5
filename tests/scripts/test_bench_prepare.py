"""The benchmark of preparation: its table, and that it notices other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.benchmarks import cells, load
from mt.errors import MTError


@pytest.mark.medium
def test_it_compares_numbers_of_workers_on_the_same_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load("bench_prepare")
    monkeypatch.setattr(script, "run", lambda _, *settings: script.measure([*settings]))  # here
    settings = ["data.tokenizer.vocab_size=400", "data.tokenizer.train_lines=100"]
    flags = ["--pairs", "120", "--workers", "1", "2"]
    script.main([*settings, *flags])
    out = capsys.readouterr().out
    rows = cells(out)
    assert list(rows) == ["1", "2"] and rows["1"]["speed"] == "1.00"
    assert "prepared pairs are found again" in out
    contents = iter("ab")
    monkeypatch.setattr(script, "run", lambda *_: {"content": next(contents)})
    with pytest.raises(MTError, match="2 workers prepare other files than 1"):
        script.main([*settings, *flags])


def test_it_measures_the_order_of_an_epoch_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load("bench_prepare")
    monkeypatch.setattr(script, "run", lambda _, pairs: script.measure_order(int(pairs)))
    script.main(["--order", "30000"])
    out = capsys.readouterr().out
    assert "The order of 30,000 pairs in " in out and "MiB, besides the lengths" in out
    lengths = script.RandomLengths(1000)
    assert len(lengths) == 1000 and 20 < lengths.tgt_lengths.mean() < 40
    assert np.corrcoef(lengths.src_lengths, lengths.tgt_lengths)[0, 1] > 0.8
