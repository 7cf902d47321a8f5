"""The run directory: a trained model with everything that mt keeps of its training.

This is the only module that knows the names of the files in it. Tensors are safetensors and
everything else is JSON, YAML or plain text: nothing stored is a pickle or an import path. Files are
replaced, never changed in place (`mt.files`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from mt.config.schema import Config
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.errors import MTError
from mt.files import atomic_write, write_text

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # of tensor files; a newer one is refused, an older one must stay readable
TOKENIZER = "tokenizer.model"  # joint vocabulary; else one for each side:
SIDE_TOKENIZERS = {"src": "tokenizer.src.model", "tgt": "tokenizer.tgt.model"}
WORD_COUNTS = {"src": "words.src.json", "tgt": "words.tgt.json"}


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run's files, and how each of them is read and written."""

    path: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Return the folder at `path`, in which a leading ~ stands for the home directory. It need not exist."""
        return cls(Path(path).expanduser())

    def __str__(self) -> str:
        return str(self.path)

    @property
    def config(self) -> Path:
        """All settings, resolved."""
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        """The weights to translate with: the best by validation, averaged over training if there is an average."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """Everything needed to continue training."""
        return self.path / "last" / "checkpoint.safetensors"

    @property
    def metrics(self) -> Path:
        """One JSON object for each log step and validation."""
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """What mt-train said, with the time."""
        return self.path / "train.log"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def environment(self) -> Path:
        """Versions, hardware and command of each start."""
        return self.path / "environment.json"

    @property
    def cost(self) -> Path:
        """What training and test cost: the last file that mt-train writes."""
        return self.path / "cost.json"

    @property
    def scores(self) -> Path:
        """The scores of the test after training."""
        return self.path / "test.json"

    @property
    def extra_tests(self) -> Path:
        """The folder in which mt-compare keeps translations and alignments of further test sets."""
        return self.path / "tests"

    @property
    def exports(self) -> Path:
        """The folder in which mt-export writes unless told otherwise."""
        return self.path / "export"

    def test_file(self, name: str) -> Path:
        """Return the path of one column of the test: sources, references, hypotheses, links or constructions."""
        return self.path / f"test.{name}.txt"

    def is_started(self) -> bool:
        """Return whether mt-train has written anything here."""
        return self.config.exists() or self.log.exists()

    def has_weights(self) -> bool:
        """Return whether there is something to continue from or to translate with."""
        return self.checkpoint.exists() or self.model.exists()

    def read_config(self) -> Config:
        """Return the run's settings. MTError if there is no run, or if the file cannot be read."""
        if not self.path.is_dir():
            raise MTError(
                f"no run directory {self}: give the folder that mt-train wrote, such as runs/demo"
            )
        if not self.config.is_file():
            raise MTError(f"{self} is no run directory: it has no {self.config.name}")
        try:
            return config_from_yaml(self.config.read_text(encoding="utf-8"))
        except (MTError, UnicodeDecodeError, OSError) as error:
            raise MTError(
                f"{self.config} cannot be read ({error}): it may come from another version of mt"
            ) from error

    def write_config(self, config: Config) -> None:
        """Write all settings as YAML."""
        write_text(self.config, config_to_yaml(config))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process from training this run. MTError if one already does."""
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise MTError(
                f"{self} is being trained by another process: wait for it, or choose another name=..."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def is_being_trained(self) -> bool:
        """Return whether a process is training this run, that is, holds its lock."""
        path = self.path / ".lock"
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # the folder is read-only: nobody trains in it
            return False

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the records of training and validation, in order; lines that are no JSON object are left out."""
        lines = (
            self.metrics.read_text(encoding="utf-8", errors="replace").splitlines()
            if self.metrics.is_file()
            else []
        )
        records = []
        for line in lines:
            with contextlib.suppress(ValueError):  # the last line of a run that was killed
                records.append(json.loads(line))
        return [record for record in records if isinstance(record, dict)]

    def drop_metrics_after(self, step: int) -> None:
        """Remove the records that an interrupted run wrote beyond its last save."""
        if not self.metrics.exists():
            return
        with open(self.metrics, encoding="utf-8") as file:
            kept = [line for line in file if _step(line) <= step]
        write_text(self.metrics, "".join(kept))

    def read_starts(self) -> list[dict[str, Any]]:
        """Return what `add_start` recorded, in order; nothing if there is no record, which is for people only."""
        try:
            starts = json.loads(self.environment.read_text(encoding="utf-8"))["starts"]
            return [start for start in starts if isinstance(start, dict)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def add_start(self, facts: dict[str, Any]) -> None:
        """Record one start of mt-train."""
        write_text(
            self.environment, json.dumps({"starts": [*self.read_starts(), facts]}, indent=1) + "\n"
        )

    def read_cost(self) -> dict[str, Any] | None:
        """Return what `write_cost` wrote; None if the run has not ended. MTError if the file is damaged."""
        if not self.cost.is_file():
            return None
        try:
            cost = json.loads(self.cost.read_text(encoding="utf-8"))
            if not isinstance(cost, dict):
                raise ValueError("no JSON object")
            return cost
        except ValueError as error:
            raise MTError(
                f"cannot read {self.cost}: {error!r}; delete it to go on without the costs of this run"
            ) from error

    def write_cost(self, cost: dict[str, Any]) -> None:
        """Write costs as JSON; numbers that are NaN become null."""
        known = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in cost.items()
        }
        write_text(self.cost, json.dumps(known, indent=1) + "\n")

    def read_scores(self) -> dict[str, Any]:
        """Return the scores of the test after training, as `mt.evaluation.tables.to_dict` makes them."""
        scores: dict[str, Any] = json.loads(self.scores.read_text(encoding="utf-8"))
        return scores

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Write the scores of the test as JSON."""
        write_text(self.scores, json.dumps(scores, ensure_ascii=False, indent=1) + "\n")

    def append_to_log(self, lines: Sequence[str]) -> None:
        """Add lines, each with its newline, to the log; nothing happens if that is not possible."""
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.log, "a", encoding="utf-8") as file:
                file.writelines(lines)


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON facts into one safetensors file."""
    from safetensors.torch import save_file  # imports torch, which takes seconds

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"mt_format": str(FORMAT), "facts": json.dumps(facts)}
    with atomic_write(path) as temporary:
        save_file(contiguous, temporary, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write_tensors` wrote, on the CPU. MTError if the file is damaged, foreign or too new."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if "mt_format" not in metadata:
                raise MTError(f"{path} was not written by mt: it has no format number")
            if int(metadata["mt_format"]) > FORMAT:
                raise MTError(
                    f"{path} has format {metadata['mt_format']}, this version of mt reads up to {FORMAT}: upgrade mt"
                )
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(
                metadata["facts"]
            )  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise MTError(
            f"{path} is damaged or not a safetensors file ({error}): copy the run again, or train it again"
        ) from error


def count_parameters(path: Path) -> int:
    """Return how many numbers a tensor file holds, by its header alone. MTError if it is damaged."""
    try:
        with safe_open(path, "np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise MTError(
            f"{path} is damaged or not a safetensors file ({error}): copy the run again, or train it again"
        ) from error


def _step(line: str) -> float:
    """Return the step of a record; infinity for a line that was cut off."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
