"""Models that are downloaded from the hub by their name."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file

from helpers.fake_hub import COMMIT, fake_hub
from helpers.hub_models import import_as
from mt.run_folder import RunFolder


def test_a_model_is_downloaded_with_one_kind_of_weights(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    folder, _ = make("MarianMT, swish, one vocabulary")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "weights")
    names = {"weight_map": {"model.shared.weight": "part-1.bin"}}
    small = {name: files[name] for name in files.keys() - {"model.safetensors"}}
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.files = {
            "Helsinki-NLP/opus-mt-en-de": files | {"pytorch_model.bin": b"", "tf_model.h5": b""},
            "a/parts": {
                **small,
                "pytorch_model.bin.index.json": json.dumps(names).encode(),
                "part-1.bin": (tmp_path / "weights").read_bytes(),
            },
        }
        for name in hub.files:
            run = RunFolder(import_as(Path(name), tmp_path / Path(name).name))
            origin = run.read_origin()
            assert (origin["from"], origin["revision"]) == (name, COMMIT)
        downloaded = {path.name for path in (tmp_path / "cache").rglob("*")}
        assert {"model.safetensors", "part-1.bin"} <= downloaded
        assert not downloaded & {"pytorch_model.bin", "tf_model.h5"}
        hub.files["a/small"] = small
        with pytest.raises(SystemExit):
            import_as(Path("a/small"), tmp_path / "small")
        assert "no model.safetensors or pytorch_model.bin" in capsys.readouterr().err

    # Without a network, what was downloaded before is read.
    with monkeypatch.context() as cached:
        cached.setattr(huggingface_hub, "hf_hub_download", None)  # it would wait for the network
        import_as(Path("a/parts"), tmp_path / "again")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SystemExit):
        import_as(Path("a/small"), tmp_path / "small")
    assert "a/small is no folder, and cannot be downloaded" in capsys.readouterr().err
