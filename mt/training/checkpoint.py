"""The run directory: what is stored, how it is written without ever losing the old, how it is read with clear errors.

Tensors are safetensors and everything else is JSON or YAML: nothing stored is a pickle or an import path.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mt.config import Config
from mt.config_yaml import config_from_yaml, config_to_yaml
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.files import replacing, write_text
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.training.optim import Optimizers

FORMAT = 1  # of model and checkpoint files; a newer one is refused, an older one must stay readable
CONFIG, MODEL, CHECKPOINT = "config.yaml", "model.safetensors", "last/checkpoint.safetensors"


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Tensors and JSON facts in one safetensors file."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"mt_format": str(FORMAT), "facts": json.dumps(facts)}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_tensors` saved, on the CPU."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if "mt_format" not in metadata:
                raise MTError(f"{path} was not written by mt: it has no format number")
            if int(metadata["mt_format"]) > FORMAT:
                raise MTError(f"{path} has format {metadata['mt_format']}, this version of mt reads up to {FORMAT}: upgrade mt")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata["facts"])  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise MTError(f"{path} is damaged or not a safetensors file ({error}): copy the run again, or train it again") from error


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by name; shared ones once."""
    return dict(model.named_parameters())


@torch.no_grad()
def fill(model: nn.Module, tensors: dict[str, Tensor], origin: object) -> None:
    """Copy tensors into the parameters of the same names; all must be there, in shape, and nothing else."""
    parameters = model_tensors(model)
    wrong = sorted(parameters.keys() ^ tensors.keys()) or [n for n, p in parameters.items() if p.shape != tensors[n].shape]
    if wrong:
        raise MTError(f"{origin} holds another model than the configuration describes: {len(wrong)} tensors differ, first {wrong[0]}")
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])


def save_config(folder: Path, config: Config) -> None:
    """The resolved configuration, as YAML."""
    write_text(folder / CONFIG, config_to_yaml(config))


def load_config(folder: Path) -> Config:
    """The configuration of a run directory."""
    if not folder.is_dir():
        raise MTError(f"no run directory {folder}: give the folder that mt-train wrote, such as runs/demo")
    if not (folder / CONFIG).is_file():
        raise MTError(f"{folder} is no run directory: it has no {CONFIG}")
    try:
        return config_from_yaml((folder / CONFIG).read_text(encoding="utf-8"))
    except (MTError, UnicodeDecodeError, OSError) as error:
        raise MTError(f"{folder / CONFIG} cannot be read ({error}): it may come from another version of mt") from error


@dataclass
class Run:
    """A trained model with all that is needed to use it."""

    model: Seq2Seq  # in evaluation mode
    tokenizer: Tokenizer
    config: Config
    path: Path
    facts: dict[str, Any]  # step, epoch, minutes and validation scores of the saved weights


def load_run(path: str | os.PathLike[str], device: torch.device) -> Run:
    """Read a run directory. Raises MTError, saying what to do, for whatever is missing, damaged, foreign or too new."""
    folder = Path(path).expanduser()
    config = load_config(folder)
    if not (folder / MODEL).is_file():
        raise MTError(f"{folder} has no {MODEL} yet: it is written at the first validation; start the same mt-train command again")
    tensors, facts = load_tensors(folder / MODEL)
    tokenizer = Tokenizer.load(folder)
    model = build_model(config.model, tokenizer.vocab_size("src"), tokenizer.vocab_size("tgt"))
    fill(model, tensors, folder / MODEL)
    return Run(model.to(device).eval(), tokenizer, config, folder, facts)


# What earlier versions did not note, so that it is not known of a run that began with one: not a number.
UNKNOWN: dict[str, Any] = {"training_minutes": math.nan, "flops": math.nan, "peak_memory": 0}


@dataclass
class Progress:
    """Where training stands: everything beside tensors that an exact continuation needs."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # micro-batches of the epoch that are done
    epochs: float = 0.0  # the same as a number
    minutes: float = 0.0
    training_minutes: float = 0.0  # of `minutes`, without validation
    target_tokens: int = 0  # of all steps, those without effect included
    flops: float = 0.0  # as mt/training/flops.py counts them
    peak_memory: int = 0  # bytes, as mt/training/cost.py measures them
    skipped: int = 0  # steps without effect because a gradient was not finite
    best: float | None = None  # validation metric of the saved model
    best_step: int = 0
    bad: int = 0  # validations since the best
    validated: int = -1  # step of the last validation
    data_hash: str = ""


def save_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizers, average: dict[str, Tensor], progress: Progress) -> None:
    """Everything needed to continue, in one file and so all or nothing."""
    tensors: dict[str, Tensor] = {f"model.{name}": p for name, p in model.named_parameters()}
    tensors |= {f"average.{name}": p for name, p in average.items()}
    for name, parameter in model.named_parameters():
        tensors |= {f"optimizer.{key}.{name}": value for key, value in optimizer.state(parameter).items()}
    save_tensors(folder / CHECKPOINT, tensors, asdict(progress))


@torch.no_grad()
def load_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizers, average: dict[str, Tensor]) -> Progress:
    """Put everything back where `save_checkpoint` took it from; returns where training stood."""
    path = folder / CHECKPOINT
    tensors, facts = load_tensors(path)
    fill(model, {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}, path)
    facts = UNKNOWN | facts
    known = {field.name for field in fields(Progress)}
    missing = sorted({f"average.{name}" for name in average} - tensors.keys()) + sorted(facts.keys() ^ known)
    if missing:
        raise MTError(
            f"{path} is not of this version of mt ({missing[0]}): delete {path.parent} to begin again, or use the version that wrote it"
        )
    for name, shadow in average.items():
        shadow.copy_(tensors[f"average.{name}"])
    for name, parameter in model.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq", "momentum"):
            if (value := tensors.get(f"optimizer.{key}.{name}")) is not None:
                optimizer.state(parameter)[key] = value.to(parameter.device)
    return Progress(**facts)
