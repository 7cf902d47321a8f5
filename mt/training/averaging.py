"""Averages of the weights of several models with one shape and one tokenizer, as run directories.

Vaswani et al. (2017) average the last checkpoints of a run. The average of runs that were
fine-tuned from one model is a "model soup" (Wortsman et al. 2022a), and that of one of them with
the model itself, by chosen shares, is WiSE-FT (Wortsman et al. 2022b). Weights of runs from
different initialisations have no meaningful average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mt.checksums import Checksums
from mt.config.schema import get_value, keys
from mt.data.normalisation import Normaliser
from mt.data.training_text import save_training_text
from mt.decoding.load import TrainedModel, load_run
from mt.errors import MTError, UsageError
from mt.files import new_folder
from mt.run_folder import RunFolder
from mt.tensor_files import read_facts
from mt.training.selection import rank

FREE_SETTINGS = ("dropout", "recompute")  # ends of the names of settings that may differ


def average_runs(
    paths: Sequence[str],
    out: RunFolder,
    last: int = 0,
    best: int = 0,
    shares: Sequence[float] = (),
) -> list[Path]:
    """Write a run directory with the mean weights of models; return their files.

    These are the `last` kept models of each run, or the `best` of them by validation, or else the
    model of each run. The `shares` of the runs in the mean need not sum to 1; without them, all are
    equal. Settings and tokenizer are those of the first run. Raises MTError or UsageError if the
    models do not fit together, if there are too few, or if `out` exists.
    """
    if len(paths) < 2 and not (last or best):
        raise UsageError(
            "an average needs several models: give several runs, or --last N or --best N"
        )
    if out.path.exists():
        raise MTError(f"{out} exists: give another folder with --out")
    runs = [load_run(path, torch.device("cpu")) for path in paths]
    for run in runs[1:]:
        check_same_kind(runs[0], run)
    files: list[tuple[RunFolder, Path]] = []
    weights: list[float] = []
    for run, share in zip(runs, shares or [1.0] * len(runs), strict=True):
        models = model_files(run, last, best)
        files += [(run.folder, file) for file in models]
        weights += [share] * len(models)
    names = [file for _, file in files]
    facts = {"averaged": [str(name) for name in names], "shares": weights}
    write_run(out, runs[0], mean_tensors(files, weights), facts)
    return names


def check_same_kind(first: TrainedModel, other: TrainedModel) -> None:
    """Raise MTError if two runs differ in their model, tokenizer or normalisation of text."""
    names = f"{first.folder} and {other.folder}"
    if first.tokenizer.serialized() != other.tokenizer.serialized():
        raise MTError(f"{names} have different vocabularies: average runs with the same tokenizer")
    normalisers = (Normaliser.from_config(run.config.data.clean) for run in (first, other))
    if len(set(normalisers)) > 1:
        raise MTError(
            f"{names} differ in data.clean.unicode or data.clean.unescape: average runs that "
            "normalise text in the same way"
        )
    changed = [
        key
        for key in keys()
        if key.startswith("model.")
        and get_value(first.config, key) != get_value(other.config, key)
        and not key.endswith(FREE_SETTINGS)
    ]
    if changed:
        raise MTError(f"{names} have different models: they differ in {', '.join(changed)}")


def model_files(run: TrainedModel, last: int, best: int) -> list[Path]:
    """Return the files of a run to average: see `average_runs`. Raises MTError if there are few."""
    if not (last or best):
        return [run.folder.model]
    kept = run.folder.kept_models()
    if len(kept) < (last or best):
        raise MTError(
            f"{run.folder} has kept {len(kept)} models, fewer than {last or best}: train with "
            f"trainer.keep={last or best}"
        )
    steps = sorted(kept)
    if best:
        metric = run.config.trainer.val_metric

        def quality(step: int) -> tuple[float, float]:
            facts = read_facts(kept[step])
            return rank(facts["bleu"] or 0.0, facts["loss"], metric)

        steps = sorted(steps, key=quality)
    return [kept[step] for step in sorted(steps[-(last or best) :])]


def mean_tensors(
    files: Sequence[tuple[RunFolder, Path]], weights: Sequence[float]
) -> dict[str, Tensor]:
    """Return the weighted mean of the tensors of files, each in its run, computed in float64.

    One file at a time is in memory. Raises MTError if a file is damaged, or if names or shapes
    differ.
    """
    total: dict[str, Tensor] = {}
    for (folder, path), weight in zip(files, weights, strict=True):
        tensors, _ = folder.read_tensors(path)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if total and shapes != {name: tensor.shape for name, tensor in total.items()}:
            raise MTError(f"{path} has other weights than {files[0][1]}")
        for name, tensor in tensors.items():
            total[name] = total.get(name, 0) + weight * tensor.double()
    return {name: (tensor / sum(weights)).float() for name, tensor in total.items()}


def write_run(
    out: RunFolder, source: TrainedModel, tensors: dict[str, Tensor], facts: dict[str, Any]
) -> None:
    """Write a run directory with settings and tokenizer of `source`; it is complete or not there.

    Raises MTError if that fails.
    """
    with new_folder(out.path) as path:
        part = RunFolder(path)
        part.write_config(replace(source.config, name=out.path.name))
        part.write_tensors(part.model, tensors, facts)
        source.tokenizer.save(part.path)
        if source.text:
            save_training_text(part, source.text)
        part.copy_origin(source.folder)
        Checksums(part.path).add_all()
