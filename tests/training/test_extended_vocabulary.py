"""Fine-tuning with new pieces: what they start from, what is recorded, and exact resumption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import mt
from helpers.hub_models import save_marian
from helpers.training_runs import checkpoint_tensors, run_training
from mt import import_model
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import load_run
from mt.errors import MTError, UsageError
from mt.exporting.model_card import card_lines
from mt.run_folder import RunFolder
from mt.training.trimming import trim_run

NEW = 12
TEXT = "trainer.max_steps=1 trainer.test=false data.val.limit=2".split()


@pytest.fixture
def base(tiny_run, tmp_path: Path) -> list[str]:
    """Return the overrides of a training on words that the first text does not have."""
    given = [*tiny_run(60), *TEXT]
    for side, words in (("src", "жук house ♥ dogcat"), ("tgt", "жук Haus ♥ Hundekatze")):
        text = "".join(f"{words} {'the dog ' * (i % 5)}{i % 9}\n" for i in range(80))
        (tmp_path / f"new.{side}").write_text(text, encoding="utf-8")
    return given


def tuning(base: list[str], tmp_path: Path, name: str, start: Path, *more: str) -> list[str]:
    dropped = ("name=", "model.", "data.tokenizer.", "data.train.")
    return [
        *(each for each in base if not each.startswith(dropped)),
        f"name={name}",
        f"trainer.init_from={start}",
        *(f"data.train.{side}={tmp_path}/new.{side}" for side in ("src", "tgt")),
        "optim.ema=0.9",
        *more,
    ]


def pieces(run: Path, side: str) -> list[str]:
    tokenizer = Tokenizer.load(run)
    return tokenizer.pieces(range(tokenizer.vocab_size(side)), side)


@pytest.mark.medium
@pytest.mark.parametrize(
    "model",
    [
        ["model=transformer"],
        ["model=rnn", "data.tokenizer.joint=false", "model.tie_embeddings=target"],
    ],
    ids=["joint", "separate"],
)
def test_new_rows_are_means_and_training_resumes_exactly(
    model: list[str], base, tmp_path: Path, capsys
) -> None:
    run_training([*base, *model, "name=first"])
    first, second = (tmp_path / "runs" / name for name in ("first", "second"))
    given = tuning(base, tmp_path, "second", first, f"data.tokenizer.extend={NEW}")
    run_training([*given, "optim.lr=0"])
    before, after = load_file(RunFolder(first).model), load_file(RunFolder(second).model)
    tokenizer = Tokenizer.load(first)
    for name, side in (("source_embedding.weight", "src"), ("target_embedding.weight", "tgt"),
                       ("output.weight", "tgt"), ("output.bias", "tgt")):  # fmt: skip
        if name not in before:
            continue
        size = len(before[name])
        assert len(after[name]) == size + NEW and torch.equal(after[name][:size], before[name])
        for row, piece in zip(after[name][size:], pieces(second, side)[size:], strict=True):
            if piece.startswith("▁") and not {*"жук♥"} & {*piece}:
                replaced = before[name][tokenizer.encode(piece[1:], side)]
                torch.testing.assert_close(row, replaced.mean(0))
            elif len(piece) == 1:
                replaced = tokenizer.models[side].vocabulary.spell(piece)
                torch.testing.assert_close(row, before[name][list(replaced)].mean(0))
    assert all(torch.equal(after[n], t) for n, t in before.items() if len(after[n]) == len(t))
    tokenizers = [RunFolder(run).read_config().data.tokenizer for run in (first, second)]
    assert [(each.vocab_size, each.extend) for each in tokenizers] == [(400, 0), (400, NEW)]
    assert f"{NEW} of them new" in RunFolder(second).log.read_text()
    assert mt.load(second, device="cpu").translate(["жук"])

    if "model=rnn" in model:  # one case is enough for what follows
        return
    whole, parts = (
        tuning(base, tmp_path, name, first, f"data.tokenizer.extend={NEW}")
        for name in ("whole", "parts")
    )
    run_training([*whole, "trainer.max_steps=4"])
    run_training([*parts, "trainer.max_steps=2"])
    run_training([*parts, "trainer.max_steps=4"])
    expected, found = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert not torch.equal(expected["model.output.bias"][-NEW:], after["output.bias"][-NEW:])

    again = tuning(base, tmp_path, "again", second, "data.tokenizer.extend=1")
    run_training(again)
    recorded = RunFolder(tmp_path / "runs" / "again").read_config().data.tokenizer
    assert (recorded.vocab_size, recorded.extend) == (400 + NEW, 1)
    assert len(pieces(tmp_path / "runs" / "again", "tgt")) == 400 + NEW + 1


@pytest.mark.medium
def test_a_trimmed_run_records_the_size_that_it_has(base, tmp_path: Path) -> None:
    run_training(base)
    first, second = (tmp_path / "runs" / name for name in ("tiny", "second"))
    run_training(tuning(base, tmp_path, "second", first, "data.tokenizer.extend=3"))
    trimmed = RunFolder.at(tmp_path / "trimmed")
    trim_run(str(second), trimmed, {side: [f"{tmp_path}/new.{side}"] for side in ("src", "tgt")})
    recorded = trimmed.read_config().data.tokenizer
    size = Tokenizer.load(trimmed.path).vocab_size()
    assert (recorded.vocab_size, recorded.extend) == (size, 0)


def test_an_imported_model_gets_new_pieces(base, tmp_path: Path) -> None:
    import_model.main([str(save_marian(tmp_path / "hub")), "--out", str(tmp_path / "opus")])
    given = tuning(base, tmp_path, "tuned", tmp_path / "opus", f"data.tokenizer.extend={NEW}")
    run_training([*given, "optim.lr=0"])
    run = load_run(tmp_path / "runs" / "tuned", torch.device("cpu"))
    card = "\n".join(card_lines(run, "mt", licence=""))
    assert "license: other" in card and "imported from hub, whose licence" in card
    assert "what is trained from them: cc-by-4.0." in card
    before, after = pieces(tmp_path / "opus", "src"), pieces(tmp_path / "runs" / "tuned", "src")
    assert after[: len(before)] == before and len(after) == len(before) + NEW and "♥" in after
    tensors = [
        load_file(RunFolder(run).model) for run in (tmp_path / "opus", tmp_path / "runs" / "tuned")
    ]
    rows = [each["source_embedding.weight"] for each in tensors]
    torch.testing.assert_close(rows[1][after.index("♥")], rows[0][4:].mean(0))
    assert mt.load(tmp_path / "runs" / "tuned", device="cpu").translate(["♥ the dog"], max_extra=5)


@pytest.mark.medium
def test_new_tags_come_with_new_pieces(base, tmp_path: Path) -> None:
    run_training([*base, "name=first"])
    first = tmp_path / "runs" / "first"
    tagged = [
        "data.train.tag=<new>",
        "data.val.tag=<new>",
        "data.test.tag=<new>",
    ]
    with pytest.raises(MTError, match="does not know the tag <new>.* data.tokenizer.extend"):
        run_training(tuning(base, tmp_path, "fails", first, *tagged))
    run_training(tuning(base, tmp_path, "tagged", first, *tagged, "data.tokenizer.extend=3"))
    translator = mt.load(tmp_path / "runs" / "tagged", device="cpu")
    assert translator.tokenizer.tags == {"<new>": 403}
    assert translator.translate(["the dog"])


def test_it_needs_a_run_to_start_from(base) -> None:
    with pytest.raises(UsageError, match="data.tokenizer.extend needs trainer.init_from"):
        run_training([*base, "data.tokenizer.extend=3"])
