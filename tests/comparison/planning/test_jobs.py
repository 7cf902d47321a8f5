"""Jobs: finished runs are kept, failed runs are named, interrupted runs continue."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mt.compare import run
from mt.comparison.planning import jobs
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.jobs import failure_reason, train_all, train_one
from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.schema.systems import FailedRun
from mt.config.compose import load_config
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder

SHORT = [
    "model/size=tiny",
    "trainer.log_every=1",
    "data.val.limit=2",
    "data.test.limit=4",
    "optim.warmup=0",
]


@pytest.fixture
def comparison(tiny_run, tmp_path: Path):
    """Return arguments of mt-compare for variants on a tiny corpus."""

    def arguments(variants: dict[str, list[str]], **keys: Any) -> list[str]:
        settings = [each for each in tiny_run(60) if not each.startswith(("name=", "trainer.max_"))]
        text = {
            "variants": variants,
            "overrides": [*settings, *SHORT],
            "seeds": 1,
            "budget": {"steps": 3},
            **keys,
        }
        (tmp_path / "tiny.yaml").write_text(json.dumps(text), encoding="utf-8")  # JSON is YAML
        return [f"compare={tmp_path}/tiny.yaml", f"out={tmp_path}/out", "bootstrap=100", "jobs=1"]

    return arguments


@pytest.mark.slow
def test_failed_runs_are_named_and_finished_runs_are_compared_and_kept(
    comparison, tmp_path: Path, capfd, monkeypatch
) -> None:
    """Run mt-train itself: no check before training predicts that a run diverges."""
    variants = {"tr": ["model=transformer"], "bad": ["model=transformer", "optim.lr=1e30"]}
    reason = (
        r"1 run is not in this comparison: bad, seed 1: "
        r"the gradients of the last 2\d steps were not finite.*train.log"
    )
    with pytest.raises(MTError, match=reason):
        run(parse_arguments(comparison(variants, budget={"steps": 26})))
    said = capfd.readouterr()
    assert (
        "[1/2] tr-1  step 1 " in said.err
        and "[1/2] tr-1  finished: " in said.err
        and "[2/2] bad-1  FAILED: the gradients of the last" in said.err
    )
    assert "tr" in (tmp_path / "out" / "report.md").read_text("utf-8") and "| tr " in said.out
    done, bad = (next((tmp_path / "runs" / "compare").glob(f"{name}-*")) for name in variants)
    assert "error: the gradients of the last" in (bad / "train.log").read_text("utf-8")
    before = (done / "cost.json").stat().st_mtime_ns
    # What has diverged is named again, and not trained again.
    with monkeypatch.context() as patched, pytest.raises(MTError, match=reason):
        patched.setattr(jobs, "COMMAND", ["false"])
        run(parse_arguments(comparison(variants, budget={"steps": 26})))
    assert "2 runs, 0 of them to train" in (said := capfd.readouterr().err)
    assert "| 1 diverged |" in said
    results = run(parse_arguments(comparison({"tr": variants["tr"]}, budget={"steps": 26})))
    assert (
        done / "cost.json"
    ).stat().st_mtime_ns == before and "1 run, 0 of them to train" in capfd.readouterr().err
    assert results is not None and [system.name for system in results.systems] == ["tr"]


@pytest.mark.medium
def test_a_run_with_an_automatic_vocabulary_is_finished(comparison, batches) -> None:
    """Its config.yaml has the size that was used, and the settings of the plan have none."""
    arguments = comparison({"tr": ["model=transformer"]})
    arguments += ["data.tokenizer.vocab_size=0", "data.tokenizer.max_vocab_size=400"]
    results = run(parse_arguments(arguments))
    assert results is not None and len(results.systems[0].runs) == 1
    batches.clear()
    assert run(parse_arguments(arguments)) is not None
    assert batches == [[]], "the same command trains nothing"


@pytest.mark.slow
def test_a_comparison_that_was_killed_continues(comparison, tmp_path: Path) -> None:
    arguments = comparison(
        {"rnn": ["model=rnn"], "tr": ["model=transformer"]}, budget={"steps": 60}
    )
    save = ["trainer.save_minutes=0.002"]
    command = [sys.executable, "-m", "mt.compare", *arguments, *save]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/2] tr-1  step"):
            break
    time.sleep(1)
    process.kill()
    process.stderr.close()
    begun = next((tmp_path / "runs" / "compare").glob("tr-1-*"))
    deadline = time.monotonic() + 60
    while (
        jobs_of(begun) and time.monotonic() < deadline
    ):  # the run ends when nobody reads its standard error
        time.sleep(0.2)
    assert RunFolder.at(begun).checkpoint.exists() and not (begun / "cost.json").exists()
    again = subprocess.run([*command, "plan=true"], capture_output=True, text=True, check=True)
    assert "1 finished" in again.stdout and "1 begun" in again.stdout
    assert run(parse_arguments([*arguments, *save])) is not None
    assert (
        "continuing" in (begun / "train.log").read_text("utf-8")
        and json.loads((begun / "cost.json").read_text("utf-8"))["steps"] == 60
    )


def jobs_of(folder: Path) -> list[str]:
    """List processes whose command line names the folder."""
    listed = subprocess.run(
        ["ps", "-eo", "stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [line for line in listed if folder.name in line and not line.startswith("Z")]


# --- one job, with a program in the place of mt-train


def planned(tmp_path: Path, name: str = "a-1-x") -> PlannedRun:
    overrides = ["model/size=tiny", f"name={name}", f"runs_dir='{tmp_path}'"]
    config = load_config(overrides)
    return PlannedRun("a", 1, RunFolder.at(tmp_path / name), overrides, config, "a-1")


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, "-c", text])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys; sys.exit('error: no text\\n')", "no text"),
        ("raise ValueError('a bug')", "ValueError: a bug"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
        ("import sys; sys.exit(3)", "exit code 3"),
        (
            "raise ValueError('a bug in a sweep\\n\\nSet HYDRA_FULL_ERROR=1')",
            "ValueError: a bug in a sweep",
        ),
    ],
)
def test_the_reason_of_a_failure_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, reason: str
) -> None:
    program(monkeypatch, text)
    run = planned(tmp_path)
    assert train_all([run]) == [FailedRun("a", 1, str(run.folder), reason)]
    if "bug" in text:
        assert "Traceback" in run.folder.log.read_text("utf-8")


def test_a_run_without_a_test_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jobs, "train_one", lambda *arguments: "")
    assert [failed.reason for failed in train_all([planned(tmp_path)])] == [
        "it ended before its time"
    ]


def test_a_run_that_is_not_tested_ends_with_its_validation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(monkeypatch, "")
    run = planned(tmp_path)
    run.folder.write_tensors(run.folder.model, {}, {"bleu": 12.34})
    assert train_one(run.overrides, run.folder, False, "a-1", threading.Event()) == ""
    assert "a-1  finished: 12.3 BLEU in its best validation" in capsys.readouterr().err


def test_mt_train_gets_every_setting_as_planned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(
        monkeypatch,
        "import sys, json; "
        f"json.dump(sys.argv[1:], open(r'{tmp_path}/given.json', 'w')); sys.exit(1)",
    )
    run = planned(tmp_path, "'a b'")
    train_all([run])
    assert load_config(json.loads((tmp_path / "given.json").read_text())) == run.config


@pytest.mark.parametrize(
    ("number", "at_a_time"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)]
)
def test_stopping_lets_current_runs_save_and_starts_no_other(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    at_a_time: int,
) -> None:
    """The run that starts last of those at a time sends the signal."""
    program(
        monkeypatch,
        f"""
import os, signal, sys, time
def saved(*_):
    open(r'{tmp_path}/saved', 'a').write('x')
    sys.exit(130)
signal.signal(signal.SIGINT, saved)
with open(r'{tmp_path}/started', 'a') as started:
    started.write('x')
if os.path.getsize(r'{tmp_path}/started') == {at_a_time}:
    os.kill(os.getppid(), {int(number)})
for _ in range(100):
    time.sleep(0.1)
""",
    )
    # Tests in the background of a script ignore SIGINT unless this is set.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_all([planned(tmp_path, f"{name}-1-x") for name in "abc"], jobs=at_a_time)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "saved").read_text() == "x" * at_a_time
    said = capsys.readouterr().err
    assert said.count("stopped") == at_a_time and "FAILED" not in said


def test_runs_train_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each of two runs waits for the other."""
    program(
        monkeypatch,
        f"""
import os, pathlib, sys, time
pathlib.Path(r'{tmp_path}', str(os.getpid())).touch()
for _ in range(600):
    if len([name for name in os.listdir(r'{tmp_path}') if name.isdigit()]) == 2:
        sys.exit('error: both are here')
    time.sleep(0.1)
""",
    )
    runs = [planned(tmp_path), planned(tmp_path, "b-1-x")]
    assert [each.reason for each in train_all(runs, jobs=2)] == ["both are here"] * 2


def test_a_launcher_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hydra/launcher=nowhere.*pip install"):
        train_all([planned(tmp_path)], ["hydra/launcher=nowhere"])


@pytest.mark.parametrize("ending", ["sys.exit(143)", "os.kill(os.getpid(), 9)"])
def test_a_run_that_is_ended_from_outside_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    """Let the second of three runs end so twice, and the third always."""
    program(
        monkeypatch,
        f"""
import os, sys
name = next(each for each in sys.argv if each.startswith("name="))
with open(fr"{tmp_path}/{{name}}", "a") as started:
    started.write("x")
starts = os.path.getsize(fr"{tmp_path}/{{name}}")
if name == "name=c-1-x" or (name == "name=b-1-x" and starts < 3):
    {ending}
sys.exit("error: the end")
""",
    )
    reasons = [each.reason for each in train_all([planned(tmp_path, f"{n}-1-x") for n in "abc"])]
    assert reasons[:2] == ["the end"] * 2 and reasons[2].startswith(("stopped", "killed"))
    starts = [(tmp_path / f"name={name}-1-x").read_text() for name in "abc"]
    assert starts == ["x", "xxx", "xxx"]


def test_runs_of_a_launcher_that_loses_a_job_have_failed_unless_they_are_finished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Launcher:
        def launch(self, *arguments: Any, **keywords: Any) -> None:
            raise RuntimeError("job 7 has not produced any output\nlog of the job")

    monkeypatch.setattr(
        jobs, "hydra_launcher", lambda *arguments: contextlib.nullcontext(Launcher())
    )
    runs = [planned(tmp_path, f"{name}-1-x") for name in "ab"]
    monkeypatch.setattr(PlannedRun, "finished", lambda run: run.folder.path.name == "a-1-x")
    (failed,) = train_all(runs, ["hydra/launcher=lossy"])
    assert (failed.path, failed.reason) == (
        str(runs[1].folder),
        "RuntimeError: job 7 has not produced any output",
    )


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_train_trials_and_runs(
    comparison, tmp_path: Path, monkeypatch, capsys, launcher: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where submitit writes
    variants = {"a": ["model=transformer"], "b": ["model=rnn"], "bad": ["optim.lr=1e30"]}
    arguments = [each for each in comparison(variants, budget={"steps": 30}) if each != "jobs=1"]
    chosen = [f"hydra/launcher={launcher}", "trainer.threads=1"]
    with pytest.raises(
        MTError, match="1 run is not in this comparison: bad, seed 1: the gradients"
    ):
        run(parse_arguments([*arguments, *chosen]))
    assert "| a " in capsys.readouterr().out
    for name in ("a", "b"):
        (folder,) = (tmp_path / "runs" / "compare").glob(f"{name}-1-*")
        assert json.loads((folder / "cost.json").read_text())["steps"] == 30


def test_exit_codes_are_described() -> None:
    assert failure_reason(0, ["error: x"]) == ""
    for code in (130, 143):
        assert failure_reason(code, []) == "stopped by a signal, and saved"
    assert failure_reason(1, ["one\n", "error: two\n", "three\n"]) == "two"
