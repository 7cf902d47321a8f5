"""mt-train: from a configuration to a tested model. Reads top to bottom as the story of a run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig

from mt.compose import check_keys, config_dir, differences, help_text, load_config, to_config
from mt.config import Config
from mt.data.prepare import PreparedData, prepare
from mt.data.tokenizer import Tokenizer
from mt.decoding.search import SearchOptions
from mt.decoding.translator import load
from mt.errors import MTError, fail, run_command
from mt.evaluation.evaluation import Evaluation, evaluate_translations
from mt.evaluation.report import text_table, to_dict
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.training.checkpoint import CONFIG, MODEL, fill, load_run, load_tensors, replacing, save_config
from mt.training.checkpoint import load_config as load_run_config
from mt.training.device import keep_freed_memory, pick_device, resolve_precision
from mt.training.distributed import Ranks
from mt.training.progress import RunLog
from mt.training.trainer import Trainer, seed_everything


def train(config: Config) -> Evaluation | None:
    """Train as configured, or go on where an earlier start ended; test the best model. The result is None on further ranks."""
    start = time.monotonic()
    ranks = Ranks()
    device = pick_device(config.trainer.device)
    folder = Path(config.runs_dir).expanduser() / config.name
    check_run_folder(folder, config)
    log = RunLog(folder, ranks.first)
    try:
        data = prepare_data(config, log)
        model = make_model(config, data, device)
        trainer = Trainer(config, model, data, folder, log, ranks, device)
        if ranks.first:
            save_config(folder, config)
            data.tokenizer.save(folder)
            save_environment(folder, data, device, ranks)
        log.say(describe(config, model, device, ranks))
        if trainer.resume():
            log.say(f"continuing {folder} after step {trainer.progress.step:,}")
        progress = trainer.fit()
        log.say(f"best validation at step {progress.best_step:,}; the whole took {(time.monotonic() - start) / 60:.1f} minutes; model in {folder}")
        return test(config, data, folder, log) if ranks.first else None
    finally:
        log.close()
        ranks.close()


def check_run_folder(folder: Path, config: Config) -> None:
    """Refuse to continue a run with other settings, or to write into a folder that is something else."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / CONFIG).exists() and not (folder / "train.log").exists():
        raise MTError(f"{folder} exists and is no run directory: choose another name=... or runs_dir=...")
    if (folder / CONFIG).exists() and (changed := differences(load_run_config(folder), config)):
        raise MTError(
            f"{folder} holds a run with other settings: {'; '.join(changed[:6])}{' and more' if len(changed) > 6 else ''}. "
            "Choose another name=..., or delete the folder"
        )


def prepare_data(config: Config, log: RunLog) -> PreparedData:
    """The corpus in training form; its report goes to the log. Fine-tuning keeps the tokenizer of the run it starts from."""
    given = Tokenizer.load(Path(config.trainer.init_from).expanduser()) if config.trainer.init_from else None
    data = prepare(config.data, log.say, given)
    for line in data.report:
        log.say(line)
    return data


def make_model(config: Config, data: PreparedData, device: torch.device) -> Seq2Seq:
    """A model with fresh weights, a function of the seed; or with those of trainer.init_from."""
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    if device.type == "cpu":
        keep_freed_memory()
    seed_everything(config.seed)
    model = build_model(config.model, data.tokenizer.vocab_size("src"), data.tokenizer.vocab_size("tgt"))
    if config.trainer.init_from:
        tensors, _ = load_tensors(Path(config.trainer.init_from).expanduser() / MODEL)
        fill(model, tensors, f"trainer.init_from={config.trainer.init_from}")
    return model.to(device)


def describe(config: Config, model: Seq2Seq, device: torch.device, ranks: Ranks) -> str:
    """One line about what is going to be trained where."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} with {torch.get_num_threads()} threads"
    return (
        f"{config.model.encoder} to {config.model.decoder}, {weights:,} weights, on {where}"
        f"{f', {ranks.world} ranks' if ranks.world > 1 else ''}, {resolve_precision(device, config.trainer.precision)}"
    )


def test(config: Config, data: PreparedData, folder: Path, log: RunLog) -> Evaluation:
    """Translate the test set with the best model, print the table, keep the outputs beside the model."""
    log.say(f"testing on {len(data.test_pairs):,} pairs with beam {config.trainer.test_beam}")
    translator = load(folder, config.trainer.device, config.trainer.precision, options=SearchOptions(beam=config.trainer.test_beam))
    sources, references = (list(side) for side in zip(*data.test_pairs, strict=True))
    hypotheses = translator.translate(sources)
    evaluation = evaluate_translations(sources, hypotheses, [references], tgt_lang=config.data.languages()[1], ter=False)
    for name, text in {
        "test.hypotheses.txt": "".join(line + "\n" for line in hypotheses),
        "test.json": json.dumps(to_dict(evaluation), ensure_ascii=False, indent=1) + "\n",
    }.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(text_table(evaluation), flush=True)
    return evaluation


def save_environment(folder: Path, data: PreparedData, device: torch.device, ranks: Ranks) -> None:
    """What one needs to know to repeat the run elsewhere."""
    packages = ("mt-attention", "torch", "sentencepiece", "datasets", "sacrebleu", "hydra-core", "numpy")
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "commit": commit or None,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "ranks": ranks.world,
        "data_hash": data.hash,
    }
    with replacing(folder / "environment.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def job(composed: DictConfig) -> float | None:
    """One run, as Hydra starts it (several, one after the other, with -m). Returns test BLEU, for sweepers."""
    try:
        evaluation = train(to_config(composed))
    except MTError as error:  # Hydra would print a traceback
        fail(error)
    return evaluation.scores["bleu"].value if evaluation else None


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(help_text())
        return
    # Hydra composes again; this first time is for errors in one line and with the right exit code. Flags of Hydra's own
    # (-m for sweeps, --cfg, --config-dir) change what is composed, so with them only the keys are checked here.
    if any(argument.startswith("-") for argument in arguments):
        run_command(lambda: check_keys([a for a in arguments if not a.startswith("-") and "=" in a]))
    else:
        run_command(lambda: load_config(arguments))
    run_command(job)


if __name__ == "__main__":
    main()
