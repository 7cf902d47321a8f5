"""mt-train: train a model, from a configuration to test scores.

Read `train` from top to bottom: it is the whole of a run.
"""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import CONTINUES, run_module

    run_module("mt.train", CONTINUES)

import contextlib
import dataclasses
import io
import sys
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mt.arguments.train import (
    COMPLETION_FLAGS,
    MULTIRUN_FLAGS,
    SHOW_FLAGS,
    complete_arguments,
    prepare_arguments,
    run_name,
)
from mt.cli import CONTINUES, describe_error, exit_with_error, run_command
from mt.config.automatic import decode_text, open_keys
from mt.config.compose import help_text, parse_overrides
from mt.config.overrides import named_keys
from mt.config.prepared import use_prepared
from mt.config.presets import config_dir
from mt.config.schema import Config
from mt.config.yaml import to_config
from mt.data.prepare import PreparedData, prepare_run, record_vocabulary
from mt.data.training_text import save_training_text
from mt.device import pick_device, set_threads
from mt.errors import MTError
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.metrics import HEADLINE
from mt.run_folder import RunFolder
from mt.signals import interrupt_on_signals
from mt.training.automatic import choose_processes, choose_settings, reconsider_model, text_facts
from mt.training.cost import save_cost
from mt.training.distributed import ProcessGroup, explain_broken_connection, join_group
from mt.training.fine_tuning import describe_start
from mt.training.forked_ranks import forked_ranks, possible_ranks
from mt.training.joining import finish_start, starting
from mt.training.memory import fitting_processes
from mt.training.outcome import describe_best, describe_outcome
from mt.training.parallel import check_parallel
from mt.training.run_log import RunLog
from mt.training.seen_pairs import describe_seen_pairs
from mt.training.speed import SpeedMeter
from mt.training.start import (
    check_run_folder,
    check_same_settings,
    check_same_text,
    check_shared_folder,
    describe_training,
    finished_scores,
    has_other_limits,
    make_model,
    recall_settings,
    remove_folders,
    save_environment,
    save_vocabulary,
)
from mt.training.sweep import FailedJob, run_sweep
from mt.training.testing import test_model
from mt.training.trainer import Trainer
from mt.version import __version__


def train(config: Config) -> Evaluation | None:
    """Train a model, or continue an interrupted run, and test the best weights.

    Returns the test scores; None without a test, and on ranks other than the first.
    """
    device = pick_device(config.trainer.device)
    set_threads(config.trainer.threads)
    launched = join_group()
    notes = check_parallel(config.trainer.parallel, launched)
    folder = RunFolder.at(Path(config.runs_dir) / config.name)
    given, config = config, recall_settings(config, folder)
    is_reopened = has_other_limits(config, folder) and not config.trainer.init_from
    reopened = given if is_reopened else None
    check_same_settings(config, launched)
    check_run_folder(folder, config)
    new_folders = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    with (
        contextlib.ExitStack() as failed_start,
        RunLog(folder, launched.is_main) as log,
        folder.locked() if launched.is_main else contextlib.nullcontext(),
        explain_broken_connection(),
    ):
        if launched.is_main:
            failed_start.callback(remove_folders, new_folders)
        for note in notes:
            log.say(note)
        data = prepare_run(config, log.say)
        check_same_text(data, launched)
        config = record_vocabulary(config, data)
        if not folder.checkpoint.exists():  # else the digest of the text is compared
            check_run_folder(folder, config)
        for line in data.report:
            log.say(line)
        if config.trainer.init_from:
            lines = describe_start(config, data)
            if launched.is_main and not folder.checkpoint.exists():
                lines += describe_seen_pairs(config, data)
            for line in lines:
                log.say(line)
        possible = possible_ranks(device, launched)
        fitting = fitting_processes(config, data.tokenizer.sizes) if possible > 1 else 1
        config, choices = choose_processes(config, text_facts(data), possible, fitting)
        for choice in choices:
            log.say(str(choice))

        def follow(group: ProcessGroup) -> None:
            """Train as a rank that says and writes nothing."""
            silent = RunLog(folder, active=False)
            start_trainer(config, data, folder, silent, group, device, reopened)[0].fit()

        with forked_ranks(launched, min(config.trainer.processes, possible), follow) as group:
            had_model = folder.model.is_file()  # a lost one is replaced below, and not tested yet
            trainer, resumed = start_trainer(config, data, folder, log, group, device, reopened)
            config, model = trainer.config, trainer.model
            if group.is_main:
                folder.add_missing_checksums()
                folder.write_config(config)
                if config.trainer.init_from:
                    folder.copy_origin(RunFolder.at(config.trainer.init_from))
                save_vocabulary(folder, data, resumed)
                save_training_text(folder, data.text)
                save_environment(folder, data, device, group)
            failed_start.pop_all()  # from here on, the log tells what happened
            log.say(describe_training(config, model, device, group))
            if resumed:
                log.say(f"continuing {folder} after step {trainer.state.step:,}")
                if had_model and (finished := finished_scores(trainer, folder, config)):
                    stopping, state = trainer.stopping, trainer.state
                    log.say(
                        f"{folder} is complete and tested: {stopping.reason(state)}. Its scores "
                        f"are in {folder.scores}. To train on, {stopping.how_to_continue(state)}, "
                        "or choose another name=..."
                    )
                    if group.is_main:
                        print(finished, flush=True)
                    return None
            state = trainer.fit()
        log.say(describe_best(state, config.trainer, folder))
        if not launched.is_main:
            return None
        evaluation, seconds = None, 0.0
        values: dict[str, float] = {}
        if config.trainer.test:
            evaluation, seconds = test_model(config, data, folder, log)
            values = {name: score.value for name, score in evaluation.scores.items()}
            log.report_test(values, state.step)
        tested = evaluation.sentences if evaluation else 0
        save_cost(folder, model, state, device, tested, seconds, config.trainer)
        if config.trainer.pause_at == 1:
            for line in describe_outcome(state, trainer.stopping, folder, values.get(HEADLINE)):
                log.say(line)
        return evaluation


def start_trainer(
    config: Config,
    data: PreparedData,
    folder: RunFolder,
    log: RunLog,
    group: ProcessGroup,
    device: torch.device,
    reopened: Config | None = None,
) -> tuple[Trainer, bool]:
    """Return a trainer at the last checkpoint, if there is one, and whether there is.

    All ranks call it. Settings that are `auto` are chosen, and each is logged with its reason. A
    run that is continued with other limits keeps its model; if they would lead to another one, the
    log says so. `reopened` are then the settings in which some are `auto`.
    """
    if open_keys(config) or reopened:
        situation = (
            *(text_facts(data), device.type != "cpu", group.launched),
            SpeedMeter(data, group, device, log.say),
        )
        config, choices = choose_settings(config, *situation)
        for choice in choices:
            log.say(str(choice))
        if others := reopened and reconsider_model(config, reopened, *situation):
            log.say(
                f"note: for these limits, {' '.join(other.settings for other in others)} would be "
                "chosen, but a run keeps its model; another name=... begins a run with them"
            )
    model = make_model(config, data, device, group)
    group.all_gather(None)  # all have come so far
    finish_start()
    trainer = Trainer(config, model, data, folder, log, group, device)
    if not trainer.parallel.saves_alone:
        check_shared_folder(folder, group)
    return trainer, trainer.resume()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def job(composed: DictConfig) -> float | FailedJob | None:
    """Run one training as Hydra starts it, once or in a sweep (-m).

    Returns the test BLEU, or in a sweep what has failed.
    """
    config: Config | None = None
    try:
        with interrupt_on_signals():
            named = parse_overrides(HydraConfig.get().overrides.task)
            composed = use_prepared(composed, named_keys(named))
            config = name_run(to_config(composed))
            evaluation = train(config)
    except (MTError, OSError) as error:  # Hydra would print a traceback
        if config and HydraConfig.get().mode == RunMode.MULTIRUN:
            return FailedJob(config.name, describe_error(error))
        exit_with_error(error)
    return evaluation.scores[HEADLINE].value if evaluation else None


def name_run(config: Config) -> Config:
    """Add the settings that vary to the name of a run of a sweep."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode != RunMode.MULTIRUN:
        return config
    name = run_name(config.name, decode_text(hydra_config.job.override_dirname))
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
        if not SHOW_FLAGS & {argument.partition("=")[0] for argument in arguments}:
            if MULTIRUN_FLAGS & set(arguments):
                return run_sweep(job)
            return job()
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            job()
        print(decode_text(shown.getvalue()), end="", flush=True)

    with starting():
        run_command(start, CONTINUES)
