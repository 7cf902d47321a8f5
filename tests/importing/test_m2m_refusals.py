"""Folders of M2M-100 and NLLB-200 that cannot be imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from helpers.hub_models import edit_json, import_as


def untie(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["model.shared.weight"] + 1
    save_file(tensors, path)


def drop_head(folder: Path) -> None:
    edit_json(folder / "config.json", tie_word_embeddings=False)


@pytest.mark.parametrize(
    "name, damage, message, code",
    [
        ("M2M-100", lambda f: (f / "vocab.json").unlink(), "no vocab.json", 1),
        (
            "NLLB-200",
            lambda f: [(f / n).unlink() for n in ("sentencepiece.bpe.model", "tokenizer.json")],
            "no sentencepiece.bpe.model",
            1,
        ),
        (
            "M2M-100",
            lambda f: edit_json(f / "config.json", scale_embedding=False),
            "scale_embedding=False (only True)",
            1,
        ),
        (
            "M2M-100",
            lambda f: edit_json(f / "tokenizer_config.json", tokenizer_class="SMALL100Tokenizer"),
            "tokenizer_class=SMALL100Tokenizer (only M2M100Tokenizer, ",
            1,
        ),
        (
            "M2M-100",
            lambda f: edit_json(f / "tokenizer_config.json", language_codes="x"),
            "language_codes=x (only m2m100, wmt21)",
            1,
        ),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer_config.json", legacy_behaviour=True),
            "legacy_behaviour=True (only False)",
            1,
        ),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer_config.json", tgt_lang=None),
            "between 202 languages: choose two with --src-lang and --tgt-lang, such as ace_Arab",
            2,
        ),
        (
            "M2M-100",
            lambda f: edit_json(f / "tokenizer_config.json", tgt_lang="xx"),
            "'xx' is none of those of the model",
            2,
        ),
        (
            "NLLB-200",
            lambda f: [
                (f / "tokenizer.json").unlink(),
                (f / "sentencepiece.bpe.model").write_bytes(b"x"),
            ],
            "sentencepiece.bpe.model is not a SentencePiece model",
            1,
        ),
        ("M2M-100", untie, "ties model.shared.weight and lm_head.weight, which differ", 1),
        ("M2M-100", drop_head, "weights are missing, the first is the output embeddings", 1),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer.json", added_tokens=[{}]),
            "tokenizer.json is damaged",
            1,
        ),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer.json", added_tokens=[]),
            "tokenizer.json has no languages",
            1,
        ),
        ("M2M-100", lambda f: (f / "config.json").write_text("{}"), "model_type=None (only ", 1),
        ("M2M-100", lambda f: (f / "config.json").write_text("[]"), "must have a JSON object", 1),
        ("M2M-100", lambda f: edit_json(f / "config.json", model_type=[]), "model_type=[] (", 1),
        ("M2M-100", lambda f: edit_json(f / "config.json", dropout="x"), "dropout=x (only num", 1),
        (
            "M2M-100",
            lambda f: edit_json(f / "config.json", max_position_embeddings="x"),
            "max_position_embeddings must be a number >= 2, got 'x'",
            1,
        ),
        ("M2M-100", lambda f: edit_json(f / "vocab.json", a=[]), "must give each piece an id", 1),
        ("NLLB-200", lambda f: (f / "tokenizer_config.json").write_text("5"), "a JSON object", 1),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer_config.json", tgt_lang=["de"]),
            "is none of those of the model",
            2,
        ),
        (
            "NLLB-200",
            lambda f: edit_json(f / "tokenizer.json", model=None),
            "tokenizer.json is damaged",
            1,
        ),
    ],
)
def test_all_that_is_in_the_way_is_said_in_one_line(
    name: str, damage: Callable[[Path], object], message: str, code: int, make, tmp_path, capsys
) -> None:
    copy = shutil.copytree(make(name)[0], tmp_path / "copy")
    damage(copy)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        import_as(copy, tmp_path / "run")
    out, err = capsys.readouterr()
    assert stop.value.code == code and not out and err.count("\n") == 1, err
    assert message in err and not (tmp_path / "run").exists()
