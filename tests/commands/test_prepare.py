"""mt-prepare: what it prints, and that mt-train uses what it has prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt import prepare as command
from mt.config.compose import load_config
from mt.data.prepare import prepare_run


@pytest.fixture
def text(tmp_path: Path) -> list[str]:
    """Settings of a small corpus."""
    for side in ("src", "tgt"):
        lines = [f"{side} line number {number} of many" for number in range(60)]
        (tmp_path / f"a.{side}").write_text("\n".join([*lines, *lines[:3]]) + "\n")
    return [
        *(f"data.train.{side}={tmp_path}/a.{side}" for side in ("src", "tgt")),
        *(f"data.cache={tmp_path}/cache", "data.tokenizer.vocab_size=290", "data.holdout=3"),
    ]


def call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = 0
    try:
        command.main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def test_it_prepares_once_what_training_uses(
    text: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, log = call([*text, "--workers", "2"], capsys)
    *report, folder = out.splitlines()
    assert code == 0 and log.startswith("preparing the corpus once")
    assert "dropped, seen before: 3" in report
    said: list[str] = []
    data = prepare_run(load_config(text), said.append)
    assert str(data.folder) == folder and data.report == report and said == []
    assert call(text, capsys) == (0, out, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--workers", "-1"], 2, "data.workers must be >= 0"),
        (["--workers", "two"], 2, "invalid int value"),
        (["data.trian.src=x"], 2, "did you mean data.train.src?"),
        (["data.train.src=/nowhere/a", "data.train.tgt=/nowhere/b"], 1, "no such file"),
        (["--config-dir", "/nowhere"], 2, "there is no folder /nowhere"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, log = call(arguments, capsys)
    assert (found, out) == (code, "")
    assert message in log and len(log.splitlines()) == 1 and log.startswith("error: ")
