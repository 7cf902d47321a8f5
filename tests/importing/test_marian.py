"""Imported MarianMT models: tags, files, what is recorded, and what cannot be imported."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mt
from helpers.hub_models import edit_json, mixed_lines, pieces_of, train_spm
from helpers.hub_translator import TranslatorOfTransformers
from mt import import_model as command
from mt.decoding.line_encoder import LineEncoder
from mt.decoding.translator import Translator
from mt.importing import hub_folder
from mt.importing.import_run import default_out
from mt.run_folder import RunFolder


def run_import(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    """Run mt-import; return exit code, standard output and standard error."""
    code = 0
    try:
        command.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def load(run: Path) -> Translator:
    return mt.load(run, device="cpu", precision="fp32", split_sentences=False, backend="pytorch")


def test_a_tag_at_the_beginning_chooses_the_language(make) -> None:
    folder, run = make("MarianMT, swish, one vocabulary")
    translator, reference = load(run), TranslatorOfTransformers(folder)
    sources = [f"{tag}{line}" for line in mixed_lines(25) for tag in (">>deu<< ", ">>fra<<")]
    outputs = translator.translate(sources, beam=1, max_ratio=0, max_extra=12)
    assert outputs == reference.translate(sources, 1)
    assert outputs[::2] != outputs[1::2]
    ids = translator.tokenizer.encode(">>fra<< the cat")
    assert translator.tokenizer.pieces(ids)[0] == ">>fra<<"


def test_each_sentence_of_a_line_gets_its_tag(make) -> None:
    _, run = make("MarianMT, swish, one vocabulary")
    translator = mt.load(run, device="cpu", precision="fp32", backend="pytorch")
    line = ">>fra<< The cat sees a dog. The house is red."
    (whole,) = translator.translate_nbest([line], 1, beam=1, max_ratio=0, max_extra=12)
    parts = [">>fra<<The cat sees a dog.", ">>fra<<The house is red."]
    assert [part.source.replace("<< ", "<<") for part in whole.parts] == parts
    assert whole.text == " ".join(translator.translate(parts, beam=1, max_ratio=0, max_extra=12))
    long = f">>fra<< {' '.join(['the cat sees a dog ,'] * 20)}"
    encoder = LineEncoder(translator.tokenizer, 60, "en", split_sentences=False)
    (encoded,) = encoder.encode([long], Counter())
    tag = translator.tokenizer.tags[">>fra<<"]
    assert len(encoded.parts) > 2
    assert all(pieces[0] == tag and len(pieces) <= 60 for _, pieces in encoded.parts)


def test_special_tokens_in_text_are_text(make) -> None:
    _, run = make("MarianMT, swish, one vocabulary")
    tokenizer = load(run).tokenizer
    for text in ("<pad>", "</s> the", "<s><unk>", ">>xyz<< the"):
        assert not {0, 2, 3} & set(tokenizer.encode(text))


def test_weights_of_pytorch_and_of_several_files_are_read_too(make, tmp_path: Path, capsys) -> None:
    folder, run = make("MarianMT, swish, one vocabulary")
    tensors = hub_folder.load_weights(folder / "model.safetensors")
    expected, _ = RunFolder(run).read_tensors(RunFolder(run).model)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    torch.save(dict(tensors), copy / "pytorch_model.bin")
    assert run_import(capsys, copy, "--out", tmp_path / "one")[0] == 0
    (copy / "pytorch_model.bin").unlink()
    files = {name: f"part-{i % 2}.bin" for i, name in enumerate(tensors)}
    for part in ("part-0.bin", "part-1.bin"):
        torch.save({n: t for n, t in tensors.items() if files[n] == part}, copy / part)
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))
    assert run_import(capsys, copy, "--out", tmp_path / "two")[0] == 0
    for name in ("one", "two"):
        other = RunFolder(tmp_path / name)
        found, _ = other.read_tensors(other.model)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_run_records_languages_origin_and_licence(make, capsys, tmp_path: Path) -> None:
    folder, _ = make("MarianMT, swish, one vocabulary")
    code, out, err = run_import(capsys, folder, "--out", tmp_path / "run")
    assert code == 0 and "eng to deu" in out and "cc-by-4.0" in err
    run = RunFolder(tmp_path / "run")
    origin = run.read_origin()
    assert (origin["from"], origin["license"]) == (str(folder), "cc-by-4.0")
    assert len(origin["sha256"]["model.safetensors"]) == 64
    config = run.read_config()
    assert config.data.languages() == ("eng", "deu") and config.data.max_pieces == 127
    assert "origin.json" in (run.path / "checksums.txt").read_text()


@pytest.mark.parametrize(
    "text",
    [b"---\nlicense: mit\n---", b"\xef\xbb\xbf---\r\nlicense: mit\r\n--- \r\n# A model\r\n"],
)
def test_the_metadata_of_a_card_are_read_as_editors_write_them(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(text)
    assert hub_folder.HubFolder(tmp_path, "x").card() == {"license": "mit"}


def test_a_run_has_the_name_of_the_folder_that_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opus").mkdir()
    monkeypatch.chdir(tmp_path / "opus")
    for name in (".", "../opus/", "Helsinki-NLP/opus"):
        assert default_out(name) == Path("runs/opus")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def add_piece(folder: Path) -> None:
    path = folder / "vocab.json"
    edit_json(path, new=len(json.loads(path.read_text())))


def drop(folder: Path, *names: str) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: config[name] for name in config.keys() - set(names)}))


def edit_weights(folder: Path, factor: float, dtype: torch.dtype = torch.float32) -> None:
    path = folder / "model.safetensors"
    save_file({name: (factor * each).to(dtype) for name, each in load_file(path).items()}, path)


def write_index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors").unlink()
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": weight_map}))


def exchange_model(folder: Path) -> None:
    (folder / "source.spm").write_bytes(train_spm(["ПРИВЕТ", "МИР", "КАК", "ДЕЛА", "ЖУК"], 60))


@pytest.mark.parametrize(
    "damage, messages",
    [
        (lambda f: (f / "vocab.json").unlink(), ["no vocab.json"]),
        (
            lambda f: [(f / n).unlink() for n in ("source.spm", "model.safetensors")],
            ["no source.spm", "no model.safetensors or pytorch_model.bin"],
        ),
        (
            lambda f: edit_json(
                f / "config.json",
                scale_embedding=False,
                decoder_ffn_dim=99,
                activation_function="x",
            ),
            ["scale_embedding=False (only True)", "decoder_ffn_dim=99 (only 48)", "function=x"],
        ),
        (lambda f: edit_json(f / "config.json", model_type="bart"), ["model_type=bart (only"]),
        (lambda f: edit_json(f / "config.json", encoder_layers=3), ["16 weights are missing"]),
        (lambda f: edit_json(f / "config.json", encoder_layers=1), ["16 weights are unknown"]),
        (
            lambda f: edit_json(
                f / "config.json", d_model="32", pad_token_id=True, tie_word_embeddings="no"
            ),
            [
                "d_model is '32', not a whole number, in config.json; pad_token_id is True",
                "tie_word_embeddings is 'no', not true or false",
            ],
        ),
        (lambda f: drop(f, "d_model", "eos_token_id"), ["no d_model in", "no eos_token_id in"]),
        (lambda f: edit_json(f / "config.json", d_model=0), ["model.dim must be >= 1"]),
        (lambda f: edit_json(f / "config.json", encoder_layers=10**9), ["encoder_layers must be"]),
        (
            lambda f: edit_json(
                f / "config.json", encoder_attention_heads=3, decoder_attention_heads=3
            ),
            ["model.dim must be divisible"],
        ),
        (
            lambda f: edit_json(f / "config.json", max_position_embeddings=0),
            ["max_position_embeddings must be a number >= 2, got 0"],
        ),
        (lambda f: edit_json(f / "vocab.json", **{"<unk>": True}), ["must give each piece an id"]),
        (
            lambda f: edit_json(f / "tokenizer_config.json", separate_vocabs=True),
            ["no target_vocab.json"],
        ),
        (lambda f: edit_weights(f, math.nan), ["weights are not finite, the first is "]),
        (lambda f: edit_weights(f, 1, torch.int8), ["only floating-point weights are read"]),
        (lambda f: write_index(f, {"a": "part.safetensors"}), ["no part.safetensors"]),
        (lambda f: write_index(f, ["a"]), ["its weight_map must name"]),
        (lambda f: write_index(f, {"a": 5}), ["its weight_map must name"]),
        (lambda f: write_index(f, {"a": "../part.safetensors"}), ["its weight_map must name"]),
        (lambda f: edit_json(f / "vocab.json", new=63), ["must give each piece an id"]),
        (
            lambda f: edit_json(f / "config.json", pad_token_id=5),
            ["has no <unk>, or another <pad>"],
        ),
        (add_piece, ["pieces, and the weights"]),
        (exchange_model, ["source.spm or target.spm: only ", "belongs to another model"]),
        (lambda f: (f / "config.json").write_text("{"), ["config.json"]),
        (lambda f: truncate(f / "model.safetensors"), ["model.safetensors is missing, damaged"]),
        (
            lambda f: truncate(f / "source.spm"),
            ["source.spm is not a SentencePiece model: copy or"],
        ),
        (
            lambda f: truncate(f / "vocab.json"),
            ["cannot read", "vocab.json (", "download it again"],
        ),
        (lambda f: (f / "config.yaml").touch(), ["is a run directory: use it as it is"]),
    ],
)
def test_all_that_is_in_the_way_is_said_in_one_line(
    damage: Callable[[Path], object], messages: list[str], make, tmp_path: Path, capsys
) -> None:
    copy = shutil.copytree(make("MarianMT, swish, one vocabulary")[0], tmp_path / "copy")
    damage(copy)
    capsys.readouterr()
    code, out, err = run_import(capsys, copy, "--out", tmp_path / "run")
    assert code == 1 and not out and err.count("\n") == 1, err
    assert all(message in err for message in messages), err
    assert not (tmp_path / "run").exists()


def test_a_vocabulary_that_lacks_pieces_of_a_model_is_noted(make, tmp_path: Path, capsys) -> None:
    copy = shutil.copytree(make("MarianMT, swish, one vocabulary")[0], tmp_path / "copy")
    assert run_import(capsys, copy, "--out", tmp_path / "run")[2].count("\n") == 1  # the licence
    pieces = pieces_of((copy / "source.spm").read_bytes())[3:]
    lost = set(pieces[::3])
    vocabulary = json.loads((copy / "vocab.json").read_text())
    changed = {f"x{name}" if name in lost else name: i for name, i in vocabulary.items()}
    (copy / "vocab.json").write_text(json.dumps(changed))
    code, _, err = run_import(capsys, copy, "--out", tmp_path / "other")
    share = round(100 * (1 - len(lost) / len(pieces)))
    assert code == 0 and f"note: the vocabulary has {share} % of the pieces" in err


def test_what_exists_is_not_replaced_and_wrong_names_are_said(make, tmp_path: Path, capsys) -> None:
    folder, run = make("MarianMT, swish, one vocabulary")
    code, _, err = run_import(capsys, folder, "--out", run)
    assert code == 1 and "exists" in err
    code, _, err = run_import(capsys, tmp_path / "none", "--out", tmp_path / "run")
    assert code == 1 and "no folder" in err
    code, _, err = run_import(capsys, folder, "--revision", "main", "--out", tmp_path / "run")
    assert code == 2 and "--revision" in err
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({"x": Path("a")}, pickled / "pytorch_model.bin")
    code, _, err = run_import(capsys, pickled, "--out", tmp_path / "run")
    assert code == 1 and "more than tensors" in err and err.count("\n") == 1
    assert "weights_only" not in err


@pytest.mark.medium
@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_an_imported_model_can_be_exported(backend: str, make, tmp_path: Path) -> None:
    from helpers.exports import write_export
    from mt.decoding.load import load_run

    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    _, run = make("MarianMT, swish, one vocabulary")
    exported = write_export(
        load_run(run, torch.device("cpu")), backend, "float32", tmp_path / "exported"
    )
    sources = [line for line in mixed_lines(40) if line.strip()]
    options = {"beam": 1, "max_ratio": 1.0, "max_extra": 5}
    outputs = mt.load(exported, split_sentences=False).translate(sources, **options)
    expected = load(run).translate(sources, **options)
    assert sum(map(str.__eq__, outputs, expected)) >= len(sources) - 1


def test_attention_is_read_from_an_imported_model(make) -> None:
    translation = mt.inspect(load(make("MarianMT, swish, one vocabulary")[1])).translate(
        "the cat sees"
    )
    (part,) = translation.attention
    assert part.cross.shape[:2] == (2, 4) and part.word_weights().shape[1] == 3
