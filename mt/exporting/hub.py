"""Export to the layout of the Hugging Face hub, with a model card, and upload.

The folder is one that transformers loads, if it has a class for the model. Otherwise it is a run
directory, which mt loads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
from safetensors.torch import save_file

from mt.data.training_text import save_training_text
from mt.decoding.load import TrainedModel
from mt.errors import MTError
from mt.exporting.folders import write_folder
from mt.exporting.hub_layout import (
    ARCHITECTURES,
    generation_config,
    hub_config,
    hub_tensors,
    obstacles,
    tokenizer_config,
    vocabulary,
)
from mt.exporting.model_card import write_card
from mt.files import copy_file, write_text
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.version import __version__

RECORD = "mt_export.json"  # by which an older export is known


def export_to_hub(folder: Path, run: TrainedModel, licence: str = "") -> list[str]:
    """Write the folder; return what prevents a layout of transformers, empty if nothing does.

    `licence` is the identifier for the model card; empty: that of imported weights, if it is known.
    """
    problems = obstacles(run.config.model)
    if run.tokenizer.symbols:
        problems.append("data.tokenizer.symbols and placeholders")
    layout = "mt" if problems else ARCHITECTURES[run.config.model.transformer.norm][0]

    def write(part: Path) -> None:
        if problems:
            write_run(part, run)
        else:
            write_model(part, run)
        write_card(part, run, layout, licence)
        write_json(part / RECORD, {"layout": layout, "mt": __version__})

    write_folder(folder, write, RECORD)
    return problems


def write_model(folder: Path, run: TrainedModel) -> None:
    """Write the files of a model of transformers."""
    config, tokenizer = run.config, run.tokenizer
    write_json(folder / "config.json", hub_config(config, tokenizer))
    write_json(folder / "generation_config.json", generation_config(config))
    write_json(folder / "tokenizer_config.json", tokenizer_config(config, tokenizer))
    write_json(folder / "vocab.json", vocabulary(tokenizer, "src"))
    if not tokenizer.joint:
        write_json(folder / "target_vocab.json", vocabulary(tokenizer, "tgt"))
    contents = tokenizer.contents
    (folder / "source.spm").write_bytes(contents[0])
    (folder / "target.spm").write_bytes(contents[-1])
    tensors = hub_tensors(model_tensors(run.model), config.model)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write_run(folder: Path, run: TrainedModel) -> None:
    """Write the files of a run directory that translation needs."""
    copy = RunFolder(folder)
    copy.write_config(run.config)
    copy_file(run.folder.model, copy.model)
    run.tokenizer.save(folder)
    if run.text:
        save_training_text(copy, run.text)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def push(folder: Path, repository: str) -> str:
    """Upload a folder to a repository of the hub, which is made if necessary; return its address.

    Raises MTError if that fails, as without a token or a network.
    """
    api = huggingface_hub.HfApi()
    try:
        address = api.create_repo(repository, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=f"Upload by mt {__version__}"
        )
    except Exception as error:  # without a network, those of the HTTP library, which has changed
        reason = str(error).strip().split("\n")[0]
        raise MTError(
            f"cannot upload {folder} to {repository} ({reason}): check the network, and log in "
            "with hf auth login as one who may write there"
        ) from error
    return str(address)
