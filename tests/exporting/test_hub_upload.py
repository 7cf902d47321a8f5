"""Models on the hub: uploaded, downloaded again by name, and errors of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from helpers.exports import save_lively_run
from helpers.fake_hub import COMMIT, FakeHub, fake_hub
from helpers.small_transformers import tiny
from mt import export, import_model
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import load_run
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.fixture
def flags(tokenizer: Tokenizer, tmp_path: Path) -> list[str]:
    """Flags of mt-export that upload a run, without a licence."""
    run = save_lively_run(tmp_path / "run", tokenizer, tiny("all", norm="post"))
    return [str(run.folder), "--to", "hub", "--sample", "0", "--push", "me/mine"]


def refuse(capsys: pytest.CaptureFixture, command, *arguments: object) -> str:
    """Run a command that fails; return its message, of one line."""
    with pytest.raises(SystemExit):
        command.main([str(argument) for argument in arguments])
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    return message


def test_an_uploaded_model_is_imported_by_its_name(
    hub: FakeHub, flags: list[str], tmp_path: Path, capsys
) -> None:
    export.main([*flags, "--license", "cc-by-4.0"])
    assert f"{hub.address}/me/mine" in capsys.readouterr().out
    assert hub.tokens == {"Bearer hf_secret"}
    assert b"license: cc-by-4.0" in hub.files["me/mine"]["README.md"]
    hub.files["me/mine"]["pytorch_model.bin"] = b"the same weights"
    import_model.main(["me/mine", "--out", str(tmp_path / "again")])
    before, after = (load_run(tmp_path / name, torch.device("cpu")) for name in ("run", "again"))
    tensors = model_tensors(after.model)
    assert all(torch.equal(tensors[key], each) for key, each in model_tensors(before.model).items())
    origin = RunFolder(tmp_path / "again").read_origin()
    assert (origin["from"], origin["revision"]) == ("me/mine", COMMIT)
    assert origin["license"] == "cc-by-4.0"
    assert list(tmp_path.rglob("model.safetensors")) and not list(tmp_path.rglob("*.bin"))


def test_what_the_hub_does_not_have_is_said(hub: FakeHub, tmp_path: Path, capsys) -> None:
    hub.files["me/mine"] = {"config.json": b"{}"}
    out = ("--out", tmp_path / "out")
    message = refuse(capsys, import_model, "me/none", *out)
    assert "me/none is no folder, and no model of the hub" in message and "hf auth login" in message
    message = refuse(capsys, import_model, "me/mine", "--revision", "v2", *out)
    assert "me/mine has no revision v2" in message


def test_uploads_need_a_licence_a_token_and_a_network(
    hub: FakeHub, flags: list[str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--license" in refuse(capsys, export, *flags) and not hub.files
    flags += ["--license", "mit"]
    monkeypatch.setattr(hub, "is_open", False)
    assert "401 Unauthorized" in refuse(capsys, export, *flags)
    with monkeypatch.context() as without:
        without.delenv("HF_TOKEN")
        without.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        assert "log in with hf auth login" in refuse(capsys, export, *flags)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nothing listens
    assert "check the network" in refuse(capsys, export, *flags)
    message = refuse(capsys, import_model, "me/mine", "--out", tmp_path / "out")
    assert "cannot be downloaded from the hub" in message and "give a folder" in message
