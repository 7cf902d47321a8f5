"""The script that compares groups of settings on parts of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.benchmarks import load
from helpers.training_runs import NARROW_MODEL, run_training, write_tiny_run
from mt.run_folder import RunFolder


@pytest.mark.slow
def test_each_part_is_trained_with_each_group_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_run(tmp_path, 60)
    script = load("settings_by_size")
    trained: list[Sequence[str]] = []

    def train(overrides: list[str]) -> None:
        trained.append(overrides)
        run_training(overrides)

    monkeypatch.setattr(script, "train", train)
    own = " ".join([*NARROW_MODEL, "trainer.max_steps=2", f"data.cache={tmp_path}/cache"])
    files = [
        argument
        for split in ("train", "val", "test")
        for argument in (f"--{split}", f"{tmp_path}/{split}.src", f"{tmp_path}/{split}.tgt")
    ]
    arguments = [
        *files,
        *("--languages", "en", "de", "--pairs", "20", "60", "--out", str(tmp_path / "out")),
        *("--settings", f"fixed=auto=false {own}", f"wide=auto=false {own} model.dim=64"),
    ]
    script.main(arguments)
    printed = capsys.readouterr().out.splitlines()
    rows = [line.split("|") for line in printed if line.startswith("|")]
    assert [cell.strip() for cell in rows[0][1:-1]] == ["pairs", "fixed", "wide"]
    assert [row[1].strip() for row in rows[2:]] == ["20", "60"]
    for name, pairs, dim in (("fixed", 20, 32), ("wide", 60, 64)):
        folder = RunFolder.at(tmp_path / "out" / f"{name}-{pairs}-6-minutes")
        config = folder.read_config()
        assert (config.data.train.limit, config.model.dim) == (pairs, dim)
        assert config.trainer.max_minutes == 6 and config.trainer.threads == 1
    assert len(trained) == 4
    monkeypatch.setattr(script, "read_facts", lambda path: {"bleu": "wide" in str(path)})
    script.main([*arguments, "--tokens", "100", "--best-of", "fixed", "wide"])
    printed = capsys.readouterr().out.splitlines()
    chosen = [line.split("|")[-2].strip() for line in printed if line.startswith("|")]
    assert chosen[0] == "best by validation" and chosen[2].startswith("wide: ")
    config = RunFolder.at(tmp_path / "out" / "fixed-20-100-tokens").read_config()
    assert (config.trainer.max_minutes, config.trainer.max_target_tokens) == (0, 100)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--settings", "auto"], "--settings auto: expected NAME=OVERRIDES"),
        (["--settings", "auto=", "--best-of", "other"], "--best-of other: --settings has no such"),
    ],
)
def test_names_of_settings_are_checked(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [each for split in ("train", "val", "test") for each in (f"--{split}", "a", "b")]
    with pytest.raises(SystemExit):
        load("settings_by_size").parse([*files, "--languages", "en", "de", "--pairs", "9", *flags])
    assert message in capsys.readouterr().err
