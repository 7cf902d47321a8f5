"""mt-evaluate --alignments: word alignments of any aligner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mt.evaluate import main


def test_alignments_of_any_aligner_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # Och and Ney's rate by hand: sure links 4, found 6; 3 are sure, 5 sure or possible.
    (tmp_path / "gold").write_text("0-0 1-1 2p1\n\n0-0 1-2 0p1\n" * 50, encoding="utf-8")
    (tmp_path / "found").write_text("0-0 1-1 2-1\n5-5\n0-0 0-1 1-1\n" * 50, encoding="utf-8")
    main("--alignments found --links gold --bootstrap 100 --json scores.json".split())
    aer = 100 * (1 - (3 + 5) / (6 + 4))
    assert capsys.readouterr().out.startswith(
        "100 sentences with gold alignments, 300 links\nAER 20.0 (95 % interval "
    )
    values = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert values["aer"] == pytest.approx(aer)
    assert values["interval"][0] < aer < values["interval"][1]
    assert (values["precision"], values["recall"]) == pytest.approx((100 * 5 / 6, 75))
    (tmp_path / "found").write_text("0-0\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main("--alignments found --links gold".split())
    assert stopped.value.code == 1
    assert "1 lines of alignments but 150" in capsys.readouterr().err
