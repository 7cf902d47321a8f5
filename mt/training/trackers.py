"""Services that track experiments, beside TensorBoard: Weights & Biases, MLflow and Trackio.

trainer.report_to names those of a run. A service gets the settings, the numbers of every record of
metrics.jsonl, and the test scores. Its own environment variables, such as WANDB_MODE=offline, say
what it does with them. The run directory keeps the identity of the run at each service, so that a
continued run continues there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from mt.config.schema import Config, get_value, keys
from mt.config.yaml import one_line
from mt.errors import MTError
from mt.files import write_text
from mt.optional import require
from mt.run_folder import RunFolder

PROJECT = "mt"  # the project, or experiment, at services whose environment variables name none

Say = Callable[[str], None]
Ending = Literal["finished", "stopped", "failed"]  # stopped: by a signal


class Tracker(Protocol):
    """The interface of a tracker; values are numbers by name, such as val/bleu."""

    identity: str  # of the run at the service

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add the values of an optimizer step."""

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        """Add the final scores of the run."""

    def close(self, ending: Ending) -> None:
        """End the run, which a later start may continue."""


class Wandb:
    """Weights & Biases. WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE (online, offline) are its own."""

    def __init__(self, name: str, identity: str, settings: Mapping[str, Any]) -> None:
        wandb = require("wandb", "wandb")
        self.identity = identity or uuid.uuid4().hex
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            id=self.identity,
            config=dict(settings),
            resume="allow",
        )
        # Steps of its own must grow, which those of a run that repeats steps do not.
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log({**values, "step": step})

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        self.run.summary.update(dict(values))

    def close(self, ending: Ending) -> None:
        self.run.finish(exit_code=1 if ending == "failed" else 0)


class Mlflow:
    """MLflow. MLFLOW_TRACKING_URI (a server, a database or a directory) and others are its own."""

    def __init__(self, name: str, identity: str, settings: Mapping[str, Any]) -> None:
        require("mlflow", "mlflow")
        from mlflow.entities import Metric, Param, RunStatus
        from mlflow.tracking import MlflowClient

        self.client, self.metric = MlflowClient(), Metric
        if identity:
            self.client.update_run(identity, RunStatus.to_string(RunStatus.RUNNING))
        else:
            project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            experiment = self.client.get_experiment_by_name(project)
            number = experiment.experiment_id if experiment else None
            number = number or self.client.create_experiment(project)
            identity = self.client.create_run(number, run_name=name).info.run_id
            parameters = [Param(key, str(value)) for key, value in settings.items()]
            for start in range(0, len(parameters), 100):  # at most 100 a request
                self.client.log_batch(identity, params=parameters[start : start + 100])
        self.identity = identity

    def log(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [self.metric(name, value, now, step) for name, value in values.items()]
        self.client.log_batch(self.identity, metrics=metrics)

    summarise = log

    def close(self, ending: Ending) -> None:
        status = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}[ending]
        self.client.set_terminated(self.identity, status)


class Trackio:
    """Trackio of Hugging Face, which is local unless TRACKIO_SPACE_ID or such says otherwise."""

    def __init__(self, name: str, identity: str, settings: Mapping[str, Any]) -> None:
        self.identity = identity or f"{name}-{uuid.uuid4().hex[:8]}"
        self.run = require("trackio", "trackio").init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=self.identity,
            config=dict(settings),
            resume="allow",
            embed=False,
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    summarise = log

    def close(self, ending: Ending) -> None:
        self.run.finish()


# Value of trainer.report_to -> tracker; the names are in mt/config/training_schema.py.
SERVICES: dict[str, type[Wandb] | type[Mlflow] | type[Trackio]] = {
    "wandb": Wandb,
    "mlflow": Mlflow,
    "trackio": Trackio,
}


class Trackers:
    """The trackers of a run. One that fails during training is left out, with a warning."""

    def __init__(
        self, folder: RunFolder, names: Sequence[str], settings: Mapping[str, Any], say: Say
    ) -> None:
        """Open the trackers, and remember the identity of the run at each.

        Raises MTError if a service is not installed or does not answer.
        """
        self.say = say
        self.trackers: dict[str, Tracker] = {}
        identities = read_identities(folder)
        for name in names:
            try:
                with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
                    tracker = SERVICES[name](folder.path.name, identities.get(name, ""), settings)
            except MTError:
                raise
            except Exception as error:
                raise MTError(
                    f"trainer.report_to={name} failed: {one_line(error)}; train without it, or "
                    "see its documentation for its modes without a network"
                ) from error
            self.trackers[name] = tracker
            if identities.get(name) != tracker.identity:
                identities[name] = tracker.identity
                write_text(folder.trackers, json.dumps(identities, indent=1) + "\n")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add the values of an optimizer step."""
        self._call(lambda tracker: tracker.log(values, step))

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        """Add the final scores of the run."""
        self._call(lambda tracker: tracker.summarise(values, step))

    def close(self, ending: Ending) -> None:
        """End the run at all services, where a later start may continue it."""
        self._call(lambda tracker: tracker.close(ending))

    def _call(self, function: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    function(tracker)
            except Exception as error:  # of a network or of a library: training goes on
                del self.trackers[name]
                self.say(f"warning: trainer.report_to={name} gets no more: {one_line(error)}")


def read_identities(folder: RunFolder) -> dict[str, str]:
    """Return the identity of the run by the name of the tracker; empty if there are none."""
    try:
        return {str(k): str(v) for k, v in json.loads(folder.trackers.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def flat_settings(config: Config) -> dict[str, Any]:
    """Return all settings by dotted key."""
    return {key: get_value(config, key) for key in keys()}
