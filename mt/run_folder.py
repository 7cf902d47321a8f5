"""The run directory: a trained model, its checkpoint, settings, metrics and test results.

This is the only module that knows the names of its files. Tensors are stored as safetensors, all
else as JSON, YAML or plain text; nothing is a pickle. Files are replaced atomically (`mt.files`).
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

FORMAT = 1  # of tensor files; newer ones are rejected, older ones must stay readable
TOKENIZER = "tokenizer.model"  # of a joint vocabulary; else one for each side:
SIDE_TOKENIZERS = {"src": "tokenizer.src.model", "tgt": "tokenizer.tgt.model"}
WORD_COUNTS = {"src": "words.src.json", "tgt": "words.tgt.json"}


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files of a run, with functions to read and write them."""

    path: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Return the run folder at `path`, which need not exist; expand a leading ~."""
        return cls(Path(path).expanduser())

    def __str__(self) -> str:
        return str(self.path)

    @property
    def config(self) -> Path:
        """All settings, with interpolations resolved."""
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        """The weights of the best validation (their moving average, unless optim.ema=0)."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, from which training resumes."""
        return self.path / "last" / "checkpoint.safetensors"

    @property
    def metrics(self) -> Path:
        """Metrics as JSON lines, one object for each progress line and validation."""
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """The messages of mt-train, with the time."""
        return self.path / "train.log"

    @property
    def tensorboard(self) -> Path:
        """The directory of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def environment(self) -> Path:
        """Software versions, hardware and command of each start."""
        return self.path / "environment.json"

    @property
    def lock(self) -> Path:
        """The lock file that a process holds while it trains the run."""
        return self.path / ".lock"

    @property
    def cost(self) -> Path:
        """The cost of training and test, the last file that mt-train writes."""
        return self.path / "cost.json"

    @property
    def scores(self) -> Path:
        """The test scores after training."""
        return self.path / "test.json"

    @property
    def extra_tests(self) -> Path:
        """The directory of translations and alignments of additional test sets (mt-compare)."""
        return self.path / "tests"

    @property
    def exports(self) -> Path:
        """The default output directory of mt-export."""
        return self.path / "export"

    def test_file(self, name: str) -> Path:
        """Return the path of a text file of the test, line by line.

        `name` is sources, references, hypotheses, links or constructions.
        """
        return self.path / f"test.{name}.txt"

    def is_started(self) -> bool:
        """Return whether mt-train has written to the directory."""
        return self.config.exists() or self.log.exists()

    def has_weights(self) -> bool:
        """Return whether there is a checkpoint or a model."""
        return self.checkpoint.exists() or self.model.exists()

    def read_config(self) -> Config:
        """Return the settings of the run; raise MTError if they cannot be read."""
        if not self.path.is_dir():
            raise MTError(
                f"no run directory {self}: give a directory written by mt-train, such as runs/demo"
            )
        if not self.config.is_file():
            raise MTError(f"{self} is not a run directory: it has no {self.config.name}")
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
        """Lock the run for training; raise MTError if another process trains it."""
        lock = FileLock(self.lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise MTError(
                f"{self} is being trained by another process: wait for it to end, "
                "or choose another name=..."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def is_being_trained(self) -> bool:
        """Return whether a process trains the run, that is, holds its lock."""
        if not self.lock.exists():
            return False
        try:
            with FileLock(self.lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # the directory is read-only, so no process trains it
            return False

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the metric records in order; skip lines that are not JSON objects."""
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
        """Remove the records that an interrupted run wrote after its last checkpoint."""
        if not self.metrics.exists():
            return
        with open(self.metrics, encoding="utf-8") as file:
            kept = [line for line in file if _step(line) <= step]
        write_text(self.metrics, "".join(kept))

    def read_starts(self) -> list[dict[str, Any]]:
        """Return the records of `add_start` in order; an empty list if there are none."""
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
        """Return the costs; None if the run has not ended. Raises MTError if damaged."""
        if not self.cost.is_file():
            return None
        try:
            cost = json.loads(self.cost.read_text(encoding="utf-8"))
            if not isinstance(cost, dict):
                raise ValueError("not a JSON object")
            return cost
        except ValueError as error:
            raise MTError(
                f"cannot read {self.cost}: {error!r}; delete it to continue without costs"
            ) from error

    def write_cost(self, cost: dict[str, Any]) -> None:
        """Write costs as JSON; NaN becomes null."""
        known = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in cost.items()
        }
        write_text(self.cost, json.dumps(known, indent=1) + "\n")

    def read_scores(self) -> dict[str, Any]:
        """Return the test scores, in the format of `mt.evaluation.tables.to_dict`."""
        scores: dict[str, Any] = json.loads(self.scores.read_text(encoding="utf-8"))
        return scores

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Write the test scores as JSON."""
        write_text(self.scores, json.dumps(scores, ensure_ascii=False, indent=1) + "\n")

    def append_to_log(self, lines: Sequence[str]) -> None:
        """Append lines, which end with a newline, to the log if possible."""
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.log, "a", encoding="utf-8") as file:
                file.writelines(lines)


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON metadata to a safetensors file."""
    from safetensors.torch import save_file  # imports torch, which takes seconds

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"mt_format": str(FORMAT), "facts": json.dumps(facts)}
    with atomic_write(path) as temporary:
        save_file(contiguous, temporary, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors (on the CPU) and metadata of a file of `write_tensors`.

    Raises MTError if the file is damaged, not written by mt, or of a newer format.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if "mt_format" not in metadata:
                raise MTError(f"{path} was not written by mt: it has no format number")
            if int(metadata["mt_format"]) > FORMAT:
                raise MTError(
                    f"{path} has format {metadata['mt_format']}, and this version of mt reads "
                    f"formats up to {FORMAT}: upgrade mt"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(metadata["facts"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def count_parameters(path: Path) -> int:
    """Return the number of parameters in a tensor file; raise MTError if it is damaged."""
    try:
        with safe_open(path, "np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> MTError:
    return MTError(
        f"{path} is damaged or not a safetensors file ({error}): copy or train the run again"
    )


def _step(line: str) -> float:
    """Return the step of a record; infinity for a truncated line."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
