"""One planned training: its folder, named after all that decides what it learns, and its state."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.comparison.planning.spec import FOLDER_NAME
from mt.comparison.settings import NEUTRAL_KEYS
from mt.config.compose import differences
from mt.config.overrides import quote_value
from mt.config.schema import Config, get_value, keys
from mt.data.digests import file_digest
from mt.errors import MTError
from mt.run_folder import RunFolder

THREADS = "trainer.threads"  # changes only the speed
# They change only the test, so that the same training can be used.
TEST_BEAM, TEST = "trainer.test_beam", "trainer.test"
PAUSE = "trainer.pause_at"  # how far a training has come


@dataclass(frozen=True)
class PlannedRun:
    """One training of a variant."""

    variant: str
    seed: int
    folder: RunFolder
    overrides: list[str]  # all arguments of mt-train
    config: Config
    label: str  # in progress messages

    def finished(self) -> bool:
        """Return whether the run is trained, and tested as planned unless it has no test.

        The folder's name guarantees that settings and text are the same. Files of a finished run
        that a kill has left without a checksum get one.
        """
        folder = self.folder
        tested = folder.is_test_intact() if self.config.trainer.test else folder.model.is_file()
        cost = self._cost() if tested else None
        is_finished = cost is not None and cost.get("test_beam") == self.config.trainer.test_beam
        if is_finished:
            folder.add_missing_checksums()
        return is_finished

    def trained(self) -> bool:
        """Return whether training has ended as planned, so that only the test can be missing."""
        return self.folder.model.is_file() and self._cost() is not None

    def _cost(self) -> dict[str, Any] | None:
        """Return the costs of the planned training; None if it has not ended, or not as planned.

        They are written after the test, with the beam of the test and the share of the budget that
        is trained; config.yaml has those of the last start.
        """
        try:
            cost = self.folder.read_cost() if self.folder.config.is_file() else None
        except MTError:
            return None
        pause = self.config.trainer.pause_at
        if cost is None or cost.get("pause_at", pause) != pause:
            return None
        return None if differences(self.folder.read_config(), self.config) else cost

    def divergence(self) -> str:
        """Return why training has diverged; "" if it has not.

        It would diverge again, so this is a result of the run, unlike a crash.
        """
        last = self.folder.read_metrics()[-1:]
        return str(last[0].get("reason")) if last and last[0]["kind"] == "diverged" else ""

    def ended(self) -> bool:
        """Return whether there is nothing to train: the run is finished, or has diverged."""
        return self.finished() or bool(self.divergence())

    def begun(self) -> bool:
        """Return whether there is a checkpoint to continue from."""
        return self.folder.checkpoint.exists()


def plan_run(
    variant: str,
    overrides: Sequence[str],
    config: Config,
    seed: int,
    data_hash: str,
    label: str = "",
    pauses: Sequence[float] = (),
) -> PlannedRun:
    """Plan the run of a seed; `data_hash` is that of the prepared text.

    `label` is its name in progress messages; empty: variant and seed. `pauses` are the shares of
    the budget at which it pauses, if it does: it is then validated there, unlike other runs.
    """
    content = [changed_settings(config), data_hash, *initial_weights(variant, config), *pauses]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    base = Path(config.runs_dir) / FOLDER_NAME
    # A variant of another name may have trained it already.
    name = f"{variant}-{seed}-{digest}"
    if not (base / name).exists():
        name = min((path.name for path in base.glob(f"*-{seed}-{digest}")), default=name)
    own = [f"seed={seed}", f"name={quote_value(name)}", f"runs_dir={quote_value(str(base))}"]
    return PlannedRun(
        variant,
        seed,
        RunFolder.at(base / name),
        [*overrides, *own],
        dataclasses.replace(config, seed=seed, name=name, runs_dir=str(base)),
        label or f"{variant}-{seed}",
    )


def changed_settings(config: Config) -> dict[str, Any]:
    """Return the settings that affect what is learned and are not the defaults, by key.

    A setting that a later version adds does not change them, so that version finds the run.
    """
    defaults = Config()
    values = {
        key: get_value(config, key)
        for key in keys()
        if key not in (*NEUTRAL_KEYS, THREADS, TEST_BEAM, TEST, PAUSE)
    }
    return {
        key: _to_json(value) for key, value in values.items() if value != get_value(defaults, key)
    }


def initial_weights(variant: str, config: Config) -> list[str]:
    """Return the digest of the weights that fine-tuning starts from; none without fine-tuning.

    Their path is not enough: the run of that name may have been trained again.
    """
    if not config.trainer.init_from:
        return []
    model = RunFolder.at(config.trainer.init_from).model
    if not model.is_file():
        raise MTError(
            f"variant {variant}: trainer.init_from={config.trainer.init_from} has no {model.name}: "
            "its training did not end"
        )
    return [file_digest(model)]


def _to_json(value: Any) -> Any:
    """Convert a setting to JSON types: data.mix holds dataclasses."""
    if not isinstance(value, dict):
        return value
    return {name: dataclasses.asdict(entry) for name, entry in value.items()}
