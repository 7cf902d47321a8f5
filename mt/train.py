"""mt-train: from a configuration to a tested model. Reads top to bottom as the story of a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig

from mt.cli import exit_with_error, run_command
from mt.config.compose import check_keys, config_dir, differences, help_text, load_config
from mt.config.schema import Config
from mt.config.yaml import to_config
from mt.data.links import parse_lines
from mt.data.prepare import PreparedData, prepare_run
from mt.decoding.load import load
from mt.decoding.options import SearchOptions
from mt.device import device_name, keep_freed_memory, pick_device, resolve_precision, set_threads
from mt.environment import git_commit, package_versions, platform_name
from mt.errors import MTError
from mt.evaluation.evaluation import Evaluation, evaluate_translations
from mt.evaluation.metrics import HEADLINE, fast_metrics
from mt.evaluation.tables import text_table, to_dict
from mt.files import write_lines
from mt.inspection.alignment_error import score_attention
from mt.inspection.inspector import Inspector
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder, read_tensors
from mt.training.cost import save_cost
from mt.training.distributed import ProcessGroup
from mt.training.run_log import RunLog
from mt.training.trainer import Trainer, seed_everything


def train(config: Config) -> Evaluation | None:
    """Train as configured, or go on where an earlier start ended; test the best model. The result is None on further ranks."""
    device = pick_device(config.trainer.device)
    set_threads(config.trainer.threads)
    ranks = ProcessGroup()
    folder = RunFolder.at(Path(config.runs_dir) / config.name)
    check_run_folder(folder, config)
    with (
        contextlib.closing(RunLog(folder, ranks.first)) as log,
        folder.locked() if ranks.first else contextlib.nullcontext(),
    ):
        data = prepare_run(config, log.say)
        for line in data.report:
            log.say(line)
        model = make_model(config, data, device)
        trainer = Trainer(config, model, data, folder, log, ranks, device)
        resumed = trainer.resume()
        if ranks.first:
            folder.write_config(config)
            if not resumed:
                data.tokenizer.save(folder.path)
                for path in data.word_counts:  # for mt-compare, which may not find the cache
                    shutil.copyfile(path, folder.path / path.name)
            save_environment(folder, data, device, ranks)
        log.say(describe(config, model, device, ranks))
        if resumed:
            log.say(f"continuing {folder} after step {trainer.state.step:,}")
        state = trainer.fit()
        log.say(f"best validation at step {state.best_step:,} of {state.step:,}; model in {folder}")
        ranks.close()
        if not ranks.first:
            return None
        evaluation, seconds = test(config, data, folder, log)
        save_cost(
            folder, model, state, device, len(data.test_pairs), seconds, config.trainer.test_beam
        )
        return evaluation


def check_run_folder(folder: RunFolder, config: Config) -> None:
    """Refuse to continue a run with other settings, or to write into a folder that is something else."""
    if folder.path.exists() and not folder.path.is_dir():
        raise MTError(f"{folder} is a file: choose another name=... or runs_dir=...")
    if not folder.path.exists() or not any(folder.path.iterdir()):
        return
    if not folder.is_started():
        raise MTError(
            f"{folder} exists and is no run directory: choose another name=... or runs_dir=..."
        )
    if not folder.has_weights():
        return  # it failed before anything was saved, perhaps because of the very setting that is different now
    if changed := differences(folder.read_config(), config):
        raise MTError(
            f"{folder} holds a run with other settings: {'; '.join(changed[:6])}{' and more' if len(changed) > 6 else ''}. "
            "Choose another name=..., or delete the folder"
        )


def make_model(config: Config, data: PreparedData, device: torch.device) -> Seq2Seq:
    """A model with fresh weights, a function of the seed; or with those of trainer.init_from."""
    if device.type == "cpu":
        keep_freed_memory()
    seed_everything(config.seed)
    model = build_model(
        config.model, data.tokenizer.vocab_size("src"), data.tokenizer.vocab_size("tgt")
    )
    if config.trainer.init_from:
        tensors, _ = read_tensors(RunFolder.at(config.trainer.init_from).model)
        load_parameters(model, tensors, f"trainer.init_from={config.trainer.init_from}")
    return model.to(device)


def describe(config: Config, model: Seq2Seq, device: torch.device, ranks: ProcessGroup) -> str:
    """One line about what is going to be trained where."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    where = (
        device_name(device)
        if device.type == "cuda"
        else f"{device.type} with {torch.get_num_threads()} threads"
    )
    return (
        f"{config.model.encoder} to {config.model.decoder}, {weights:,} weights, on {where}"
        f"{f', {ranks.world} ranks' if ranks.world > 1 else ''}, {resolve_precision(device, config.trainer.precision)}"
    )


def test(
    config: Config, data: PreparedData, folder: RunFolder, log: RunLog
) -> tuple[Evaluation, float]:
    """Translate the test set with the best model, print the table, keep the outputs beside the model.

    Returns the scores, and the seconds that translating took.
    """
    log.say(f"testing on {len(data.test_pairs):,} pairs with beam {config.trainer.test_beam}")
    translator = load(
        folder.path,
        config.trainer.device,
        config.trainer.precision,
        workers=0,
        options=SearchOptions(beam=config.trainer.test_beam),
    )
    sources, references = (list(side) for side in zip(*data.test_pairs, strict=True))
    started = time.monotonic()
    hypotheses = translator.translate(sources)
    seconds = time.monotonic() - started
    log.say(f"translated in {seconds:.1f} s; scoring")
    for line in translator.report():
        log.say(line)
    stored = {"sources": sources, "references": references, "hypotheses": hypotheses}
    constructions, alignment = None, None
    if data.test_annotations:
        links, names = (list(column) for column in zip(*data.test_annotations, strict=True))
        if any(links):
            stored["links"] = links
            golds = parse_lines(links, "test.links.txt")
            inspector = Inspector(translator)
            alignment = (
                score_attention(inspector.attention(data.test_pairs), golds)
                if inspector.attends
                else None
            )
        if any(names):
            stored["constructions"] = names
            constructions = [line.split() for line in names]
    language = config.data.languages()[1]
    evaluation = evaluate_translations(
        sources,
        hypotheses,
        [references],
        tgt_lang=language,
        metrics=fast_metrics(),
        constructions=constructions,
        alignment=alignment,
    )
    for name, lines in stored.items():
        write_lines(folder.test_file(name), lines)
    folder.write_scores(to_dict(evaluation))
    print(text_table(evaluation), flush=True)
    return evaluation, seconds


def save_environment(
    folder: RunFolder, data: PreparedData, device: torch.device, ranks: ProcessGroup
) -> None:
    """What one needs to know to repeat the run elsewhere: one object for each start."""
    facts = {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": package_versions(),
        "commit": git_commit(),
        "platform": platform_name(),
        "cpus": os.cpu_count(),
        "device": device_name(device),
        "ranks": ranks.world,
        "data_hash": data.hash,
    }
    folder.add_start(facts)


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def job(composed: DictConfig) -> float | None:
    """One run, as Hydra starts it (several, one after the other, with -m). Returns test BLEU, for sweepers."""
    try:
        evaluation = train(to_config(composed))
    except (MTError, OSError) as error:  # Hydra would print a traceback
        exit_with_error(error)
    return evaluation.scores[HEADLINE].value if evaluation else None


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        run_command(lambda: print(help_text(), flush=True))
        return
    # Hydra composes again; this first time is for errors in one line and with the right exit code.
    # Flags of Hydra's own (-m for sweeps, --cfg, --config-dir) change what is composed, so with
    # them only the keys are checked here.
    if any(argument.startswith("-") for argument in arguments):
        run_command(
            lambda: check_keys([a for a in arguments if not a.startswith("-") and "=" in a])
        )
    else:
        run_command(lambda: load_config(arguments))
    run_command(job)


if __name__ == "__main__":
    main()
