"""Trackers of experiments, with the real libraries and without a network."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.training_runs import read_records, run_training
from mt.config.compose import load_config
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.training import trackers
from mt.training.trackers import Trackers, flat_settings

SETTINGS = ["model/size=tiny", "trainer.val_every=2", "trainer.log_every=1"]


class Recorder:
    """A service that keeps what it gets; `broken` makes it fail."""

    runs: dict[str, Recorder] = {}
    broken = False

    def __init__(self, name: str, identity: str, settings: dict[str, Any]) -> None:
        self.identity = identity or f"{name}-1"
        before = self.runs.get(self.identity)
        self.values = before.values if before else []
        self.settings, self.scores, self.ending = settings, {}, ""
        self.runs[self.identity] = self

    def log(self, values: dict[str, float], step: int) -> None:
        if self.broken:
            raise ConnectionError("no\nnetwork")
        self.values.append((step, dict(values)))

    def summarise(self, values: dict[str, float], step: int) -> None:
        self.scores = dict(values)

    def close(self, ending: str) -> None:
        self.ending = ending


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    service = type("Service", (Recorder,), {"runs": {}})
    monkeypatch.setitem(trackers.SERVICES, "wandb", service)
    return service


def test_a_service_gets_settings_metrics_and_scores_and_a_resumed_run_continues(
    tiny_run: Callable[..., list[str]], tmp_path: Path, recorder: type[Recorder]
) -> None:
    base = [*tiny_run(60), *SETTINGS, "trainer.report_to=[wandb]"]
    run_training([*base, "trainer.max_steps=2", "trainer.test=false"])
    evaluation = run_training([*base, "trainer.max_steps=4"])
    assert evaluation and list(recorder.runs) == ["tiny-1"]
    service = recorder.runs["tiny-1"]
    assert service.ending == "finished" and service.settings["trainer.max_steps"] == 4
    assert service.scores == {
        f"test/{name}": score.value for name, score in evaluation.scores.items()
    }
    folder = tmp_path / "runs" / "tiny"
    for kind, name in (("train", "loss"), ("val", "bleu")):
        expected = [(record["step"], record[name]) for record in read_records(folder, kind)]
        key = f"{kind}/{name}"
        given = [(step, values[key]) for step, values in service.values if key in values]
        assert given == [(step, pytest.approx(value, rel=1e-5)) for step, value in expected]


def test_a_service_learns_how_the_run_ended(
    tiny_run: Callable[..., list[str]], recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = [*tiny_run(60), *SETTINGS, "trainer.report_to=[wandb]", "trainer.max_steps=2"]
    for error, ending in ((SystemExit(130), "stopped"), (RuntimeError("lost"), "failed")):

        def fail(*_: Any, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr("mt.training.trainer.Trainer._train_step", fail)
            run_training(base)
        assert recorder.runs["tiny-1"].ending == ending


def test_a_service_that_fails_gets_no_more_and_training_goes_on(
    tiny_run: Callable[..., list[str]], recorder: type[Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.broken = True
    run_training([*tiny_run(60), *SETTINGS, "trainer.report_to=[wandb]", "trainer.max_steps=2"])
    output = capsys.readouterr()
    warning = "warning: trainer.report_to=wandb gets no more: no; network\n"
    assert output.err.count(warning) == 1
    assert "BLEU" in output.out


def test_wrong_services_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="report_to must name some of wandb, mlflow, trackio"):
        load_config(["trainer.report_to=[wandbb]"])
    folder = RunFolder.at(tmp_path)
    missing = importlib.import_module

    def hidden(name: str, *rest: Any) -> Any:
        if name == "wandb":
            raise ImportError("No module named 'wandb'")
        return missing(name, *rest)

    monkeypatch.setattr("mt.optional.importlib.import_module", hidden)
    with pytest.raises(MTError, match="pip install wandb"):
        Trackers(folder, ["wandb"], {}, print)

    def failing(*_: Any) -> None:
        raise RuntimeError("no\nkey")

    monkeypatch.setitem(trackers.SERVICES, "wandb", failing)  # type: ignore[arg-type]
    with pytest.raises(MTError, match="report_to=wandb failed: no; key"):
        Trackers(folder, ["wandb"], {}, print)


def report_twice(folder: RunFolder, name: str) -> str:
    """Report two steps at two starts of a run, and scores; return the identity of the run."""
    settings = flat_settings(load_config([]))
    for step in (1, 2):
        opened = Trackers(folder, [name], settings, pytest.fail)
        opened.log({"train/loss": 3.0 - step, "val/loss": math.nan}, step)
        if step == 2:
            opened.summarise({"test/bleu": 12.5}, step)
        opened.close("stopped" if step == 1 else "finished")
    return json.loads(folder.trackers.read_text())[name]


def test_mlflow_in_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    folder, client = RunFolder.at(tmp_path), mlflow.tracking.MlflowClient()
    identity = report_twice(folder, "mlflow")
    run = client.get_run(identity)
    assert run.data.params["optim.lr"] and run.info.status == "FINISHED"
    assert run.data.metrics["test/bleu"] == 12.5
    history = client.get_metric_history(identity, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 2.0), (2, 1.0)]
    Trackers(folder, ["mlflow"], {}, pytest.fail).close("stopped")
    assert client.get_run(identity).info.status == "KILLED"


def test_wandb_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    identity = report_twice(RunFolder.at(tmp_path), "wandb")
    folders = list((tmp_path / "wandb").glob(f"offline-run-*-{identity}"))
    assert folders, "the runs to synchronise have the identity of the run"
    data = b"".join(file.read_bytes() for f in folders for file in f.glob("*.wandb"))
    assert all(name in data for name in (b"train/loss", b"test/bleu", b"optim"))


def test_trackio_in_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    identity = report_twice(RunFolder.at(tmp_path), "trackio")
    logs = SQLiteStorage.get_logs("mt", identity)
    assert [entry["step"] for entry in logs if "train/loss" in entry] == [1, 2]
    assert any(entry.get("test/bleu") == 12.5 for entry in logs)
