"""mt-train: train a model, from a configuration to test scores.

Read `train` from top to bottom: it is the whole of a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mt.arguments.train import COMPLETION_FLAGS, complete_arguments, prepare_arguments, run_name
from mt.cli import exit_with_error, run_command
from mt.config.compose import differences, help_text
from mt.config.presets import config_dir
from mt.config.schema import Config, ModelConfig
from mt.config.yaml import to_config
from mt.data.prepare import PreparedData, prepare_run
from mt.device import device_name, keep_freed_memory, pick_device, resolve_precision, set_threads
from mt.environment import git_commit, package_versions, platform_name
from mt.errors import MTError
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.metrics import HEADLINE
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors
from mt.training.cost import save_cost
from mt.training.distributed import ProcessGroup, ProcessLost
from mt.training.run_log import RunLog
from mt.training.selection import criterion
from mt.training.testing import test_model
from mt.training.trainer import Trainer, seed_everything
from mt.version import __version__

# Settings that may hold another path to the same text. From or to None, the text is another.
MOVED_PATH = re.compile(
    r"data\.\w+\.(src|tgt|file|links|hub) was (?!None|'')(?!.*, now (None|'')$)"
)
TRAINING_BYTES = 16  # per parameter: weight, gradient and two moments in float32
MAX_DIFFERENCES = 6  # settings to list in an error message


def train(config: Config) -> Evaluation | None:
    """Train a model, or continue an interrupted run, and test the best weights.

    Returns the test scores; None on ranks other than the first.
    """
    device = pick_device(config.trainer.device)
    set_threads(config.trainer.threads)
    group = ProcessGroup()
    folder = RunFolder.at(Path(config.runs_dir) / config.name)
    check_run_folder(folder, config)
    new_folders = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    with (
        contextlib.ExitStack() as failed_start,
        contextlib.closing(RunLog(folder, group.is_main)) as log,
        folder.locked() if group.is_main else contextlib.nullcontext(),
    ):
        if group.is_main:
            failed_start.callback(remove_folders, new_folders)
        data = prepare_run(config, log.say)
        for line in data.report:
            log.say(line)
        model = make_model(config, data, device)
        trainer = Trainer(config, model, data, folder, log, group, device)
        resumed = trainer.resume()
        if group.is_main:
            folder.write_config(config)
            if not resumed:
                data.tokenizer.save(folder.path)
                for (
                    path
                ) in data.word_counts:  # for mt-compare, which may have no access to the cache
                    shutil.copyfile(path, folder.path / path.name)
            save_environment(folder, data, device, group)
        failed_start.pop_all()  # from here on, the log tells what happened
        log.say(describe_training(config, model, device, group))
        if resumed:
            log.say(f"continuing {folder} after step {trainer.state.step:,}")
            if is_finished(trainer, folder, config):
                limit = trainer.budget.limit_reached(trainer.state)
                log.say(
                    f"{folder} is finished and tested: it {limit}, and its scores are in "
                    f"{folder.scores}. Raise the limit to train on, or choose another name=..."
                )
                group.close()
                return None
        try:
            state = trainer.fit()
        except ProcessLost:
            if not group.is_main and folder.is_being_trained():
                raise SystemExit(1) from None  # the first process is alive and says it
            raise
        log.say(
            f"best validation by {criterion(state, config.trainer.val_metric)} at step "
            f"{state.best_step:,} of {state.step:,}; model in {folder}"
        )
        group.close()
        if not group.is_main:
            return None
        evaluation, seconds = test_model(config, data, folder, log)
        beam = config.trainer.test_beam
        save_cost(folder, model, state, device, evaluation.sentences, seconds, beam)
        return evaluation


def check_run_folder(folder: RunFolder, config: Config) -> None:
    """Raise MTError if the directory holds a run with other settings, or something else."""
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
    if folder.checkpoint.exists():  # which holds a digest of the text, wherever the text is
        changed = [text for text in changed if not MOVED_PATH.match(text)]
    if changed:
        listed = "; ".join(changed[:MAX_DIFFERENCES])
        more = " and more" if len(changed) > MAX_DIFFERENCES else ""
        raise MTError(
            f"{folder} holds a run with other settings: {listed}{more}. "
            "To keep it and train another run, choose another name=...; to start that from its "
            f"weights, add trainer.init_from={folder}; to continue it, use its settings again"
        )


def is_finished(trainer: Trainer, folder: RunFolder, config: Config) -> bool:
    """Return whether the budget is spent, and the best model is tested with the same beam."""
    state, cost = trainer.state, folder.read_cost()
    spent = trainer.budget.fraction_spent(state) >= 1 and state.validated == state.step
    if not spent or cost is None or not (folder.scores.is_file() and folder.model.is_file()):
        return False
    return (cost.get("steps"), cost.get("test_beam")) == (state.step, config.trainer.test_beam)


def remove_folders(folders: Sequence[Path]) -> None:
    """Remove a run directory and those of its parents that are empty; the first is the run's."""
    for number, folder in enumerate(folders):
        if number == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # another run has been started there
                folder.rmdir()


def make_model(config: Config, data: PreparedData, device: torch.device) -> Seq2Seq:
    """Build a model with weights initialised from the seed, or loaded from trainer.init_from."""
    if device.type == "cpu":
        keep_freed_memory()
    sizes = [data.tokenizer.vocab_size(side) for side in ("src", "tgt")]
    check_memory(config.model, sizes, device)
    seed_everything(config.seed)
    model = build_model(config.model, *sizes)
    if config.trainer.init_from:
        tensors, _ = read_tensors(RunFolder.at(config.trainer.init_from).model)
        load_parameters(model, tensors, f"trainer.init_from={config.trainer.init_from}")
    return model.to(device)


def check_memory(config: ModelConfig, sizes: Sequence[int], device: torch.device) -> None:
    """Raise MTError if weights, gradients and AdamW's moments exceed the memory of the device."""
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in build_model(config, *sizes).parameters())
    if device.type == "cuda":
        available = torch.cuda.get_device_properties(device).total_memory
    else:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if (needed := TRAINING_BYTES * parameters) > available:
        raise MTError(
            f"a model of {parameters:,} parameters needs {needed / 2**30:,.0f} GiB to train, and "
            f"there are {available / 2**30:,.0f} GiB: reduce model.* or data.tokenizer.vocab_size"
        )


def describe_training(
    config: Config, model: Seq2Seq, device: torch.device, group: ProcessGroup
) -> str:
    """Return one line on the model, the device and the precision."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    name = device_name(device)
    if device.type != "cuda":
        name += f" with {torch.get_num_threads()} threads"
    ranks = f", {group.world_size} ranks" if group.world_size > 1 else ""
    precision = resolve_precision(device, config.trainer.precision)
    families = f"{config.model.encoder} to {config.model.decoder}"
    return f"{families}, {parameters:,} parameters, on {name}{ranks}, {precision}"


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


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def job(composed: DictConfig) -> float | None:
    """Run one training as Hydra starts it, once or in a sweep (-m); return the test BLEU."""
    try:
        evaluation = train(name_run(to_config(composed)))
    except (MTError, OSError) as error:  # Hydra would print a traceback
        exit_with_error(error)
    return evaluation.scores[HEADLINE].value if evaluation else None


def name_run(config: Config) -> Config:
    """Add the settings that vary to the name of a run of a sweep."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode != RunMode.MULTIRUN:
        return config
    name = run_name(config.name, hydra_config.job.override_dirname)
    return dataclasses.replace(config, name=name)


def main() -> None:
    """Run the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        run_command(lambda: print(help_text(), flush=True))
        return
    if "--version" in arguments:
        run_command(lambda: print(f"mt-train {__version__}", flush=True))
        return
    prepare = complete_arguments if COMPLETION_FLAGS & set(arguments) else prepare_arguments

    def start() -> None:
        sys.argv[1:] = prepare(arguments)
        job()

    run_command(start, "the same command continues")


if __name__ == "__main__":
    main()
