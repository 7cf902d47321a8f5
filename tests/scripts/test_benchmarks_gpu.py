"""The scripts for machines with a GPU: the check against the CPU, and all measurements."""

from __future__ import annotations

import importlib
import os
import shutil

import pytest

from helpers import ROOT


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
