"""The scripts for machines with a GPU: the check against the CPU, and all measurements."""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT
from mt.data.embedded_corpus import generate

SMALL = {
    **{"DEVICE": "cpu", "SIZE": "tiny", "BIG": "small", "PAIRS": "1500", "VOCAB": "800"},
    **{"TOKENS": "512", "STEPS": "2", "MODEL_STEPS": "3", "LINES": "8", "MINUTES": "0.1"},
    **{"THREADS": "1", "SECONDS_IN_ALL": "3000", "LIMIT_FACTOR": "10"},
}


@pytest.mark.medium
def test_the_gpu_check_finds_a_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    check = importlib.import_module("check_gpu")
    check.main(["--device", "cpu"])
    assert capsys.readouterr().out.count("at most") == 8
    measure = check.measure
    calls = iter(range(100))
    monkeypatch.setattr(
        check,
        "measure",
        lambda model, precision: (
            measure(model, precision)[0] * (1 + 0.01 * next(calls)),
            measure(model, precision)[1],
        ),
    )
    with pytest.raises(SystemExit):
        check.main(["--device", "cpu"])
    assert "fp32 loss" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_gpu_script_is_valid_bash() -> None:
    assert os.system(f"bash -n '{ROOT / 'scripts' / 'bench_gpu.sh'}'") == 0


@pytest.mark.slow
def test_each_step_of_the_gpu_script_works_in_small_on_a_cpu(tmp_path: Path) -> None:
    for name, split, size in (
        ("train", "train", 200),
        ("val", "val", 50),
        ("test2016", "test", 50),
    ):
        pairs = list(generate(split, size, 0))
        for side, lines in (
            ("en", [pair.source for pair in pairs]),
            ("de", [pair.target for pair in pairs]),
        ):
            with gzip.open(tmp_path / f"{name}.{side}.gz", "wt", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
    subprocess.run(
        ["bash", ROOT / "scripts" / "bench_gpu.sh", tmp_path / "out", sys.executable],
        env={**os.environ, **SMALL, "MULTI30K": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "FAILED" not in report and "SKIPPED" not in report
    steps = report.split("\n## ")[1:]
    assert len(steps) == 13
    for title, shown in (
        ("CPU = GPU", "rnn          bf16 loss"),
        ("Transformer small", "| mt, bf16 |"),
        ("Translation, rnn tiny", "| mt, bf16 |"),
        ("DistributedDataParallel and FSDP2", "FSDP2  "),
        ("Minutes to 39 BLEU", "minutes: BLEU"),
    ):
        assert shown in next(step for step in steps if step.startswith(title))
