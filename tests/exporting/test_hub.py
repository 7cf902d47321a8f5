"""Export to the layout of the hub: transformers gives the same outputs, and so does mt again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import mt
from helpers.exports import save_lively_run, save_tagged_run, texts
from helpers.hub_models import save_marian
from helpers.small_transformers import tiny
from helpers.training_runs import NARROW_MODEL, run_training, write_tiny_run
from mt import export as command
from mt import import_model
from mt.config.schema import ModelConfig, TokenizerConfig
from mt.data.normalisation import normalise
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_sentencepiece
from mt.decoding.load import TrainedModel, load_run
from mt.decoding.options import SearchOptions
from mt.exporting.hub import export_to_hub
from mt.exporting.tags import mark_for_hub
from mt.exporting.transformers_engine import TransformersTranslator
from mt.importing.hub_folder import HubFolder
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder

MODELS: dict[str, tuple[str, ModelConfig]] = {
    "post-norm": ("marian", tiny("all", norm="post", activation="swish")),
    "post-norm, separate embeddings": ("marian", tiny("target", norm="post", activation="gelu")),
    "post-norm, untied": ("marian", tiny("none", norm="post")),
    "pre-norm": ("pegasus", tiny("all", norm="pre")),
}


def run_export(capsys: pytest.CaptureFixture, *flags: object) -> tuple[int, str, str]:
    """Run mt-export; return exit code, standard output and standard error."""
    code = 0
    try:
        command.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def reimport(folder: Path, out: Path) -> TrainedModel:
    import_model.main([str(folder), "--out", str(out)])
    return load_run(out, torch.device("cpu"))


@pytest.mark.medium
@pytest.mark.parametrize("name", MODELS)
def test_transformers_translates_the_same(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    layout, config = MODELS[name]
    run = save_lively_run(tmp_path / "run", tokenizer, config)
    assert export_to_hub(tmp_path / "hub", run) == []
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["model_type"] == layout
    lines = texts(30, seed=1)
    ours = mt.load(run.folder.path, precision="fp32", split_sentences=False)
    for beam in (1, 3):
        options = {"beam": beam, "max_ratio": 0, "max_extra": 15}
        theirs = TransformersTranslator(tmp_path / "hub", SearchOptions(**options))
        expected = ours.translate(lines, **options)
        # An untrained model makes control characters of bytes, which mt removes.
        assert [normalise(line, "none") for line in theirs.translate(lines)] == expected
        assert len(set(expected)) > 1


@pytest.mark.parametrize("name", MODELS)
def test_an_export_that_is_imported_again_is_the_same_model(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, MODELS[name][1])
    export_to_hub(tmp_path / "hub", run)
    again = reimport(tmp_path / "hub", tmp_path / "again")
    before, after = model_tensors(run.model), model_tensors(again.model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert again.config.data.max_pieces == run.config.data.max_pieces
    for line in ["the cat  sees ☃", *texts(10, seed=2)]:
        assert again.tokenizer.encode(line) == run.tokenizer.encode(line)
        ids = run.tokenizer.encode(line, "tgt")
        assert again.tokenizer.decode(ids) == run.tokenizer.decode(ids)


def test_an_imported_model_is_exported_and_imported_again(tmp_path: Path) -> None:
    first = reimport(save_marian(tmp_path / "opus", tags=(">>fra<<",)), tmp_path / "first")
    export_to_hub(tmp_path / "hub", first)
    second = reimport(tmp_path / "hub", tmp_path / "second")
    before, after = model_tensors(first.model), model_tensors(second.model)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert second.tokenizer.serialized() == first.tokenizer.serialized()
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "license: cc-by-4.0" in card and "imported from opus" in card


def test_tags_are_written_as_transformers_finds_them(tmp_path: Path) -> None:
    tagged = Tokenizer(
        train_sentencepiece(texts(300, 0), TokenizerConfig(vocab_size=280), tags=["<news>"])
    )
    run = save_lively_run(tmp_path / "run", tagged, MODELS["post-norm"][1])
    export_to_hub(tmp_path / "hub", run)
    theirs = (
        TransformersTranslator(tmp_path / "hub", SearchOptions())
        .tokenizer(">><news><<the cat")
        .input_ids
    )
    assert theirs[:-1] == tagged.encode(add_tag("the cat", "<news>"))
    again = reimport(tmp_path / "hub", tmp_path / "again")
    assert again.tokenizer.tags == {">><news><<": tagged.tags["<news>"]}
    for tokenizer, tag in ((tagged, "<news>"), (again.tokenizer, ">><news><<")):
        marked = mark_for_hub(["the cat", "a dog"], [tag, ""], tokenizer)
        assert marked == [">><news><<the cat", "a dog"]


def test_the_metadata_of_the_card_are_those_that_the_hub_reads(tmp_path: Path) -> None:
    run = save_tagged_run(tmp_path / "run", MODELS["post-norm"][1])
    for languages, expected in {
        ("no", "zho_Hans"): ["no", "zh"],  # no is a truth value of YAML
        ("zho_Hans", "zho_Hant"): ["zh"],
        ("en-GB", "tgt"): ["en"],
        ("src", "tgt"): None,
    }.items():
        run.config.data.src_lang, run.config.data.tgt_lang = languages
        export_to_hub(tmp_path / "hub", run, "other: see #1")
        card = HubFolder(tmp_path / "hub", "").card()
        assert card.get("language") == expected
        assert card["license"] == "other: see #1" and card["tags"] == ["translation", "mt"]
    assert "tokenizer(['>><2de><<A sentence.']" in (tmp_path / "hub" / "README.md").read_text()


def test_what_transformers_lacks_becomes_a_run_directory(
    tokenizer: Tokenizer, tmp_path: Path, capsys
) -> None:
    run = save_lively_run(
        tmp_path / "run", tokenizer, tiny("all", position="rope", norm_kind="rms")
    )
    code, out, err = run_export(capsys, run.folder, "--to", "hub", "--sample", "0")
    assert code == 0, err
    for problem in ("norm_kind=rms", "encoder_position=rope (only sinusoidal)"):
        assert problem in err
    folder = run.folder.path / "export" / "hub"
    assert (folder / "README.md").is_file()
    lines = texts(5, seed=3)
    assert mt.load(folder).translate(lines) == mt.load(run.folder.path).translate(lines)


@pytest.mark.slow
def test_a_trained_model_survives_the_round_trip(tmp_path: Path, capsys) -> None:
    """A model trained on the embedded corpus, exported, translated by both, and imported again."""
    run_training(
        [
            *write_tiny_run(tmp_path, pairs=100),
            *NARROW_MODEL,
            "position=sinusoidal",
            "model.transformer.qk_norm=false",
            "model.dropout=0",
            "trainer.max_steps=150",
            "trainer.val_every=0",
            "trainer.precision=fp32",
            "optim.lr=5e-3",
            "optim.warmup=10",
            "optim.ema=0",
        ]
    )
    path = tmp_path / "runs" / "tiny"
    capsys.readouterr()
    lines = RunFolder(path).test_file("sources").read_text().splitlines()
    flags = ("--to", "hub", "--out", tmp_path / "hub", "--sample", "10", "--beam", "1")
    code, out, err = run_export(capsys, path, *flags)
    assert code == 0, err
    share = re.search(r"\d+ sentences: ([\d.]+) % of the outputs identical", out)
    assert share and float(share[1]) >= 80  # outputs that do not end are longer in transformers
    card = (tmp_path / "hub" / "README.md").read_text()
    for part in (
        "language: [en, de]",
        "| BLEU |",
        "tiny: `train.src`, `train.tgt`",
        "| source length in words |",
    ):
        assert part in card, card
    again = reimport(tmp_path / "hub", tmp_path / "again")
    ours = mt.load(path, precision="fp32").translate(lines, beam=2)
    assert mt.load(again.folder.path, precision="fp32").translate(lines, beam=2) == ours
    assert len(set(ours)) > 3


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--to", "onnx", "--push", "a/b"), "--push needs --to hub"),
        (("--to", "ctranslate2", "--license", "mit"), "--license needs --to hub"),
        (("--to", "hub", "--quantization", "int8"), "leave out --quantization"),
    ],
)
def test_flags_that_contradict_each_other(flags: tuple[str, ...], message: str, capsys) -> None:
    code, _, err = run_export(capsys, "nowhere", *flags)
    assert code == 2 and message in err


def test_a_folder_that_is_no_export_is_kept(tokenizer: Tokenizer, tmp_path: Path, capsys) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, MODELS["pre-norm"][1])
    (tmp_path / "mine").mkdir()
    flags = (run.folder, "--to", "hub", "--sample", "0", "--out")
    code, _, err = run_export(capsys, *flags, tmp_path / "mine")
    assert code == 1 and "is not an export" in err
    for _ in range(2):
        assert run_export(capsys, *flags, tmp_path / "new")[0] == 0
