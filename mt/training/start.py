"""The start of a run: its directory, its model, and what is recorded."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch

from mt.config.automatic import open_keys, with_values
from mt.config.checks import check_values
from mt.config.compose import Difference, differences
from mt.config.schema import Config, absent_values, get_value, keys
from mt.config.setting import default_value
from mt.config.training_checks import check_patience
from mt.data.prepare import PreparedData
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_extension import SIDES, replaced_pieces
from mt.device import configure_memory, device_name, resolve_precision
from mt.environment import git_commit, package_versions, platform_name
from mt.errors import MTError
from mt.files import copy_file
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.models.vocabulary_rows import add_mean_rows
from mt.models.weights import load_parameters
from mt.run_files import WORD_COUNTS
from mt.run_folder import RunFolder
from mt.training.budget import TrainingBudget
from mt.training.distributed import ProcessGroup
from mt.training.fine_tuning import inherit_settings
from mt.training.joining import POLL_SECONDS
from mt.training.memory import check_memory, count_parameters
from mt.training.parallel import count_shards
from mt.training.seeding import seed_everything
from mt.training.trainer import SHARED, Trainer

PATH_SETTINGS = (".src", ".tgt", ".file", ".links", ".hub")
# May differ between machines, or follow from paths.
MACHINE_SETTINGS = ("data.prepared", "data.cache", "data.name", "runs_dir", "trainer.threads")
SEEN_SECONDS = 60  # after which a new directory is seen on all machines: NFS looks once a minute
MAX_DIFFERENCES = 6  # settings to list in an error message


def recall_settings(config: Config, folder: RunFolder) -> Config:
    """Return the settings with those chosen before for each that is `auto`.

    A run that is continued keeps its choices, and the values of settings that did not exist when it
    was started, unless others than the defaults are given; with other limits, the interval of
    validations is chosen anew. Fine-tuning takes model and tokenizer from the run that it starts
    from.
    """
    config = inherit_settings(config)
    known: dict[str, Any] = {}
    if folder.has_weights():
        before = folder.read_config()
        known = {key: get_value(before, key) for key in open_keys(config)}
        if has_other_limits(with_values(config, known), folder):
            known.pop("trainer.val_every", None)
        known |= {
            key: value
            for key, value in absent_values().items()
            if get_value(before, key) == value
            and get_value(config, key) == default_value(keys()[key])
        }
    config = with_values(config, known)
    check_values(config)
    check_patience(config)
    return config


def has_other_limits(config: Config, folder: RunFolder) -> bool:
    """Return whether a run is continued with other limits than before."""
    return folder.has_weights() and limits_of(folder.read_config()) != limits_of(config)


def check_same_settings(config: Config, group: ProcessGroup) -> None:
    """Raise MTError if the ranks of a group have different settings, other than paths of files."""
    names = [
        name
        for name in keys()
        if name not in MACHINE_SETTINGS
        and not (name.startswith("data.") and name.endswith(PATH_SETTINGS))
    ]
    own = {name: get_value(config, name) for name in names}
    first, *others = group.all_gather(own)
    for rank, settings in enumerate(others, 1):
        for name in names:
            if settings[name] != first[name]:
                raise MTError(
                    "the processes have different settings: "
                    f"{name} is {first[name]!r} in rank 0, and {settings[name]!r} in rank {rank}"
                )


def check_same_text(data: PreparedData, group: ProcessGroup) -> None:
    """Raise MTError if the ranks of a group have prepared different text."""
    first, *others = group.all_gather(data.hash)
    for rank, digest in enumerate(others, 1):
        if digest != first:
            raise MTError(
                f"the processes have different prepared text: its digest is {first[:8]} in rank 0, "
                f"and {digest[:8]} in rank {rank}: give all machines the same files, and the same "
                "versions of sentencepiece and Python"
            )


def check_shared_folder(folder: RunFolder, group: ProcessGroup) -> None:
    """Raise MTError unless all ranks of a group see what rank 0 writes to the run directory.

    A network file system may show a new directory only after `SEEN_SECONDS`.
    """
    path = folder.path / group.all_gather(f".{uuid.uuid4().hex}")[0]
    if group.is_main:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    group.all_gather(None)  # now it is written
    deadline = time.monotonic() + SEEN_SECONDS
    while not (is_seen := path.exists()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    seen = group.all_gather(is_seen)
    if group.is_main:
        path.unlink()
    if not all(seen):
        raise MTError(f"rank {seen.index(False)} does not see the {folder} of rank 0: {SHARED}")


def limits_of(config: Config) -> tuple[float, ...]:
    """Return the limits of training."""
    return astuple(TrainingBudget.from_config(config.trainer))


def check_run_folder(folder: RunFolder, config: Config) -> None:
    """Raise MTError if the directory holds a run with other settings, or something else.

    An automatic vocabulary is not compared: its size is known when the text is prepared.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise MTError(f"{folder} is a file: choose another name=... or runs_dir=...")
    if not folder.path.exists() or not any(folder.path.iterdir()):
        return
    if not folder.is_started():
        raise MTError(
            f"{folder} exists and is not a run directory: choose another name=... or runs_dir=..."
        )
    if not folder.has_weights():
        return  # it failed before the first save, perhaps because of a setting that has changed now
    changed = differences(folder.read_config(), config)
    if not config.data.tokenizer.vocab_size:
        changed = [each for each in changed if each.name != "data.tokenizer.vocab_size"]
    if folder.checkpoint.exists():  # which holds a digest of the text, wherever the text is
        changed = [each for each in changed if not is_moved_path(each)]
    if changed:
        listed = "; ".join(map(str, changed[:MAX_DIFFERENCES]))
        more = " and more" if len(changed) > MAX_DIFFERENCES else ""
        raise MTError(
            f"{folder} holds a run with other settings: {listed}{more}. "
            "To keep it and train another run, choose another name=...; to start that from its "
            f"weights, add trainer.init_from={folder}; to continue it, use its settings again"
        )


def is_moved_path(difference: Difference) -> bool:
    """Return whether a setting names files by another path; from or to nothing, text changes."""
    is_path = difference.name.startswith("data.") and difference.name.endswith(PATH_SETTINGS)
    return is_path and bool(difference.before) and bool(difference.after)


def finished_scores(trainer: Trainer, folder: RunFolder, config: Config) -> str:
    """Return the test scores of a run in one line; empty if it is not finished.

    It is if training has reached its end, and the best model was tested with the same beam.
    """
    state = trainer.state
    over = trainer.stopping.is_over(state) and state.validated == state.step
    if not (over and folder.is_test_intact() and folder.model.is_file()):
        return ""
    cost = folder.read_cost() or {}
    if (cost.get("steps"), cost.get("test_beam")) != (state.step, config.trainer.test_beam):
        return ""
    try:
        scores = folder.read_scores()["scores"].values()
        return "  ".join(f"{score['name']} {score['value']:.2f}" for score in scores)
    except (MTError, KeyError, TypeError, ValueError, AttributeError):
        return ""  # the file is damaged


def remove_folders(folders: Sequence[Path]) -> None:
    """Remove a run directory and those of its parents that are empty; the first is the run's."""
    for number, folder in enumerate(folders):
        if number == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # another run has been started there
                folder.rmdir()


def make_model(
    config: Config, data: PreparedData, device: torch.device, group: ProcessGroup
) -> Seq2Seq:
    """Build a model with weights initialised from the seed, or loaded from trainer.init_from.

    All ranks of a group call it. If they are to divide the weights, the model stays on the CPU.
    """
    if device.type == "cpu":
        configure_memory()
    sizes = data.tokenizer.sizes
    shards = count_shards(config.trainer.parallel, group)
    check_memory(config.model, sizes, device, shards, config.optim, group.world_size)
    seed_everything(config.seed)
    model = build_model(config.model, *sizes)
    if config.trainer.init_from:
        folder = RunFolder.at(config.trainer.init_from)
        tensors, _ = folder.read_tensors(folder.model)
        if config.data.tokenizer.extend:
            before = Tokenizer.load(folder.path)
            tensors = add_mean_rows(
                tensors,
                {side: replaced_pieces(before, data.tokenizer, side) for side in SIDES},
            )
        load_parameters(model, tensors, f"trainer.init_from={config.trainer.init_from}")
    return model if shards > 1 else model.to(device)


def describe_training(
    config: Config, model: Seq2Seq, device: torch.device, group: ProcessGroup
) -> str:
    """Return one line on the model, the device and the precision."""
    parameters = count_parameters(model)
    name = device_name(device)
    if device.type != "cuda":
        threads = torch.get_num_threads()
        name += f" with {threads} thread{'s' if threads > 1 else ''}"
    ranks = f", {group.world_size} processes" if group.world_size > 1 else ""
    precision = resolve_precision(device, config.trainer.precision)
    families = f"{config.model.encoder} to {config.model.decoder}"
    if rank := config.optim.lora:
        shapes = [weight.shape for weight in model.parameters() if weight.requires_grad]
        factors = rank * sum(map(sum, shapes))
        families += f", {factors:,} parameters in factors of {len(shapes)} matrices (optim.lora)"
    return f"{families}, {parameters:,} parameters, on {name}{ranks}, {precision}"


def save_vocabulary(folder: RunFolder, data: PreparedData, resumed: bool) -> None:
    """Write the tokenizer and the word counts; in a resumed run only if they are damaged or lost.

    The word counts are for mt-compare, which may have no access to the cache.
    """
    paths = [folder.path / name for name in (*data.tokenizer.files(), *WORD_COUNTS.values())]
    if resumed and all(path.is_file() and folder.checksums.matches(path) for path in paths):
        return
    with folder.checksums.update(*paths):
        data.tokenizer.save(folder.path)
        for path in data.word_counts:
            copy_file(path, folder.path / path.name)


def save_environment(
    folder: RunFolder, data: PreparedData, device: torch.device, group: ProcessGroup
) -> None:
    """Record what is needed to reproduce the run elsewhere; one record for each start."""
    facts = {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": package_versions(),
        "commit": git_commit(),
        "platform": platform_name(),
        "cpus": os.cpu_count(),
        "device": device_name(device),
        "ranks": group.world_size,
        "data_hash": data.hash,
    }
    folder.add_start(facts)
