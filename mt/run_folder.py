"""The run directory: a trained model, its checkpoint, settings, metrics and test results.

Tensors are stored as safetensors, all else as JSON, YAML or plain text; nothing is a pickle. Files
are replaced atomically (`mt.files`). Their names are in `mt.run_files`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from mt.checksums import Checksums
from mt.config.schema import Config
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.errors import MTError
from mt.files import atomic_write, expand_user, write_text
from mt.run_files import (
    LANGUAGES,
    SYMBOLS,
    TEST_FILES,
    TOKENIZERS,
    TRAINING_TEXT,
    VOCABULARIES,
    WORD_COUNTS,
    RunFiles,
)
from mt.tensor_files import RESTORE, read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

START_AGAIN = (
    "restore it from a copy of the run, or start the same mt-train command again, which writes it "
    "anew"
)


@dataclass(frozen=True)
class RunFolder(RunFiles):
    """The files of a run, with functions to read and write them."""

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Return the run folder at `path`, which need not exist; expand a leading ~."""
        return cls(expand_user(path))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def checksums(self) -> Checksums:
        """The checksums of the files that are written once, or replaced as a whole."""
        return Checksums(self.path)

    def add_missing_checksums(self) -> None:
        """Record the files of mt-train without a checksum, such as after a kill."""
        tests, layouts = map(self.test_file, TEST_FILES), (*TOKENIZERS, *VOCABULARIES)
        more = (SYMBOLS, LANGUAGES, *WORD_COUNTS.values(), TRAINING_TEXT)
        names = (*itertools.chain(*layouts), *more)
        single = (self.config, self.model, self.checkpoint, self.scores, self.cost, self.origin)
        self.checksums.add_missing([*single, *tests, *(self.path / name for name in names)])

    def check(self, path: Path) -> None:
        """Raise MTError if a file that the same mt-train command writes anew is damaged."""
        self.checksums.check(path, START_AGAIN)

    def is_test_intact(self) -> bool:
        """Return whether the files of the test are there and as they were written.

        They are of an earlier model if the run was continued without a test.
        """
        with contextlib.suppress(MTError):
            self.read_scores()
            cost, texts = self.read_cost(), map(self.test_file, TEST_FILES)
            is_tested = cost is not None and cost.get("test_sentences") != 0
            return is_tested and all(map(self.checksums.matches, texts))
        return False

    def is_started(self) -> bool:
        """Return whether mt-train has written to the directory."""
        return self.config.exists() or self.log.exists()

    def has_weights(self) -> bool:
        """Return whether there is a checkpoint or a model."""
        return self.checkpoint.exists() or self.model.exists()

    def read_config(self) -> Config:
        """Return the settings of the run; raise MTError if they cannot be read."""
        if not os.path.isdir(self.path):
            raise MTError(
                f"no run directory {self}: give a directory written by mt-train, such as runs/demo"
            )
        if not self.config.is_file():
            raise MTError(f"{self} is not a run directory: it has no {self.config.name}")
        self.checksums.check(self.config, "restore it from a copy of the run")
        try:
            return config_from_yaml(self.config.read_text(encoding="utf-8"))
        except (MTError, UnicodeDecodeError, OSError) as error:
            raise MTError(
                f"{self.config} cannot be read ({error}): upgrade mt if a newer version wrote it, "
                "else restore it from a copy of the run"
            ) from error

    def write_config(self, config: Config) -> None:
        """Write all settings as YAML."""
        with self.checksums.update(self.config):
            write_text(self.config, config_to_yaml(config))

    def read_tensors(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and metadata of the model or checkpoint; raise MTError if damaged."""
        content = read_tensors(path)
        self.checksums.check(path, RESTORE)
        return content

    def write_tensors(self, path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write the model or checkpoint."""
        with self.checksums.update(path):
            write_tensors(path, tensors, facts)

    def remove_checkpoint_parts(self, used: str = "") -> None:
        """Remove the parts of earlier checkpoints, all but those in the folder `used`."""
        for path in self.checkpoint_parts:
            if path.name != used:
                shutil.rmtree(path, ignore_errors=True)

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
        """Return the metric records in order; skip damaged lines, such as the last of a killed run.

        Every record has a "kind" (train, val, plateau, decay or diverged) and a "step". Of
        validations that stand twice, only the last one counts.
        """
        lines = self.metrics.read_bytes().split(b"\n") if self.metrics.is_file() else []
        records = [record for record in map(_parse_record, lines) if record]
        validations = {record["step"]: record for record in records if record["kind"] == "val"}
        return [r for r in records if r["kind"] != "val" or validations[r["step"]] is r]

    def drop_metrics_after(self, step: int, validated: int) -> None:
        """Remove damaged records, and those that a run wrote after its last checkpoint.

        `step` is that of the checkpoint, `validated` that of the last validation before it.
        """
        if not self.metrics.exists():
            return
        lines = self.metrics.read_bytes().split(b"\n")
        records = [(line, record) for line in lines if (record := _parse_record(line))]
        limits = {"val": validated, "plateau": validated}
        kept = [line + b"\n" for line, r in records if r["step"] <= limits.get(r["kind"], step)]
        with atomic_write(self.metrics) as temporary:
            temporary.write_bytes(b"".join(kept))

    def read_starts(self) -> list[dict[str, Any]]:
        """Return the records of `add_start` in order; an empty list if there are none."""
        try:
            starts = json.loads(self.environment.read_text(encoding="utf-8"))["starts"]
            return [start for start in starts if isinstance(start, dict)]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
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
        self.check(self.cost)
        return _read_json(self.cost, f"{START_AGAIN}, or delete it to continue without costs")

    def write_cost(self, cost: dict[str, Any]) -> None:
        """Write costs as JSON; NaN becomes null."""
        known = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in cost.items()
        }
        with self.checksums.update(self.cost):
            write_text(self.cost, json.dumps(known, indent=1) + "\n")

    def read_origin(self) -> dict[str, Any]:
        """Return the origin of imported weights; empty if mt-train made them."""
        if not self.origin.is_file():
            return {}
        self.check(self.origin)
        return _read_json(self.origin, "restore it from a copy of the run")

    def write_origin(self, origin: dict[str, Any]) -> None:
        """Write the origin of imported weights as JSON."""
        with self.checksums.update(self.origin):
            write_text(self.origin, json.dumps(origin, ensure_ascii=False, indent=1) + "\n")

    def copy_origin(self, start: RunFolder) -> None:
        """Write the origin of the weights of another run, if they were imported."""
        if origin := start.read_origin():
            self.write_origin(origin)

    def read_scores(self) -> dict[str, Any]:
        """Return the test scores, in the format of `mt.evaluation.tables.to_dict`.

        Raises MTError if they are missing or damaged.
        """
        self.check(self.scores)
        return _read_json(self.scores, START_AGAIN)

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Write the test scores as JSON."""
        write_text(self.scores, json.dumps(scores, ensure_ascii=False, indent=1) + "\n")

    def append_to_log(self, lines: Sequence[str]) -> None:
        """Append lines, which end with a newline, to the log if possible."""
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.log, "a", encoding="utf-8") as file:
                file.writelines(lines)


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object. Raises MTError, with the remedy, if that is not possible."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise MTError(f"cannot read {path} ({error!r}): {remedy}") from error


def _parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the metric record in a line; None if the line is damaged."""
    try:
        record = json.loads(line)
        complete = isinstance(record["kind"], str) and type(record["step"]) in (int, float)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if complete else None
