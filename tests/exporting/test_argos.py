"""Packages of Argos Translate: their layout, their model, and the real library if installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.exports import save_lively_run, save_tagged_run, texts
from helpers.small_transformers import tiny
from mt.config.schema import TokenizerConfig
from mt.data.normalisation import normalise
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import TrainedModel, build_translator
from mt.errors import MTError, UsageError
from mt.exporting.argos import package_name
from mt.exporting.export import default_path, export_run

library = pytest.importorskip("ctranslate2", reason="needs the extra ctranslate2")
import sentencepiece  # noqa: E402 - after the skip

LINES = texts(10, seed=9)


@pytest.fixture(scope="module")
def trained(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    trained = save_lively_run(tmp_path_factory.mktemp("runs") / "run", tokenizer, tiny(norm="pre"))
    trained.config.data.src_lang, trained.config.data.tgt_lang = "en", "de"
    return trained


@pytest.fixture(scope="module")
def package(trained: TrainedModel) -> Path:
    path = default_path(trained, "argos", "float32")
    export_run(path, trained, "argos", "float32")
    assert path.name == "translate-en_de-1_0.argosmodel"
    return path


def test_a_package_has_the_layout_and_the_model_that_argos_translate_reads(
    package: Path, trained: TrainedModel, tmp_path: Path
) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert folder.name == package_name(trained)
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    assert metadata == {
        "package_version": "1.0", "argos_version": "1.9", "type": "translate",
        "from_code": "en", "from_name": "English", "to_code": "de", "to_name": "German",
    }  # fmt: skip
    assert "argospm install translate-en_de-1_0.argosmodel" in (folder / "README.md").read_text()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.model"))
    engine = library.Translator(str(folder / "model"))
    translator = build_translator([trained], precision="fp32")
    found = engine.translate_batch(
        [pieces.encode(line, out_type=str) for line in LINES],
        beam_size=5,
        patience=2,
        max_decoding_length=100,
    )
    decoded = [normalise(pieces.decode_pieces(result.hypotheses[0]), "none") for result in found]
    assert decoded == translator.translate(LINES, max_ratio=0.0, max_extra=100)


def test_long_sentences_fit_the_table_of_positions(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    engine = library.Translator(str(next(tmp_path.iterdir()) / "model"))
    # Argos Translate leaves CTranslate2's limits as they are: 1,024 and 256 tokens.
    engine.translate_batch([["▁the"] * 1500], beam_size=1)


def test_what_cannot_be_packed_is_named(trained: TrainedModel, tmp_path: Path) -> None:
    lines = ["a cat sees the dog", "the house is red"] * 9
    separate = Tokenizer.train(
        lambda: lines, lambda: lines, TokenizerConfig(type="bpe", vocab_size=280, joint=False)
    )
    run = save_lively_run(tmp_path / "run", separate, tiny(norm="pre"))
    with pytest.raises(UsageError, match=r"one SentencePiece model .* \(data.tokenizer.joint=f"):
        export_run(tmp_path / "x.argosmodel", run, "argos", "float32")
    run.tokenizer = trained.tokenizer
    with pytest.raises(UsageError, match="names its languages, but data.src_lang was not set"):
        export_run(tmp_path / "x.argosmodel", run, "argos", "float32")
    with pytest.raises(UsageError, match="cannot put a tag before sources, but all training text"):
        export_run(
            tmp_path / "x.argosmodel", save_tagged_run(tmp_path / "tagged"), "argos", "float32"
        )
    assert not (tmp_path / "x.argosmodel").exists()


def test_a_folder_is_no_package(trained: TrainedModel, tmp_path: Path) -> None:
    for folder in (tmp_path, Path()):
        with pytest.raises(MTError, match="is a folder: name the file of the package"):
            export_run(folder, trained, "argos", "float32")


def test_argos_translate_installs_the_package_and_translates(
    package: Path, trained: TrainedModel, tmp_path: Path
) -> None:
    pytest.importorskip(
        "argostranslate", reason="argostranslate is not installed: it needs spacy and stanza"
    )
    # The library downloads a splitter of sentences; here each line is a sentence.
    code = """
import json, sys
from argostranslate import package, sbd, translate
sbd.MiniSBDSentencizer.split_sentences = lambda self, text: [text]
package.install_from_path(sys.argv[1])
print(json.dumps([translate.translate(line, "en", "de") for line in json.loads(sys.argv[2])]))
"""
    settings = {"ARGOS_COMPUTE_TYPE": "float32"}  # not the fastest, whatever it is
    environment = {
        **os.environ,
        **settings,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(package), json.dumps(LINES)],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.tokenizer.contents[0])
    engine = library.Translator(str(tmp_path / package_name(trained) / "model"))
    found = engine.translate_batch(
        [pieces.encode(line, out_type=str) for line in LINES],
        beam_size=4,
        length_penalty=0.2,
    )  # as the library does
    expected = [pieces.decode_pieces(result.hypotheses[0]).lstrip() for result in found]
    assert [text.lstrip() for text in json.loads(done.stdout.splitlines()[-1])] == expected
