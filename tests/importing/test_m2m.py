"""Imported M2M-100 and NLLB-200 models translate between any two of their languages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import mt
from helpers.exports import write_export
from helpers.hub_models import (
    SOURCE_WORDS,
    TARGET_WORDS,
    edit_json,
    import_as,
    lines,
    mixed_lines,
    stripped_lines,
)
from helpers.hub_translator import TranslatorOfTransformers
from mt import evaluate, trim
from mt.data.tags import tag_piece
from mt.data.tokenizer import Tokenizer
from mt.decoding.formats import format_lines
from mt.decoding.load import load_run
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.exporting.export import export_run
from mt.exporting.hub import export_to_hub
from mt.run_folder import RunFolder


def load(run: Path | list[Path], **settings: Any) -> Translator:
    return mt.load(
        run, device="cpu", precision="fp32", split_sentences=False, backend="pytorch", **settings
    )


def test_other_languages_are_chosen_in_translation(make) -> None:
    folder, run = make("M2M-100")
    reference, sources = TranslatorOfTransformers(folder), stripped_lines(60)
    reference.tokenizer.src_lang, reference.start = "fr", reference.tokenizer.get_lang_id("is")
    options: dict[str, Any] = {"beam": 1, "max_ratio": 0, "max_extra": 12}
    translator = load(run, src_lang="fr", tgt_lang="is")
    outputs = translator.translate(sources, **options)
    assert outputs == reference.translate(sources, 1)
    assert outputs != load(run).translate(sources, **options)
    settings = translator.text_settings
    assert (settings.language, settings.target_language) == ("fr", "is")
    with pytest.raises(UsageError, match="'xx' is none of those of the model: give one of af, am"):
        load(run, tgt_lang="xx")


def test_evaluation_is_in_the_languages_that_are_chosen(make, tmp_path: Path, capsys) -> None:
    _, run = make("NLLB-200")
    sources = [line for line in lines(10, SOURCE_WORDS) if len(line) < 40]
    (tmp_path / "src").write_text("".join(f"{line}\n" for line in sources))
    files = ["--src", str(tmp_path / "src"), "--ref", str(tmp_path / "src")]
    flags = "--src-lang fr --tgt-lang zh-TW --beam 1 --split-sentences no --no-ter".split()
    evaluate.main([str(run), *files, *flags, "--write-files", str(tmp_path / "out")])
    assert "tok:zh" in capsys.readouterr().out
    outputs = (tmp_path / "out" / "hypotheses.txt").read_text().splitlines()
    for pair, same in ((("fra_Latn", "zho_Hant"), True), (("eng_Latn", "deu_Latn"), False)):
        translator = mt.load(run, "cpu", split_sentences=False, src_lang=pair[0], tgt_lang=pair[1])
        assert (outputs == translator.translate(sources, beam=1)) == same
    with pytest.raises(SystemExit) as stop:
        evaluate.main([str(run), *files, "--tgt-lang", "zh"])
    assert stop.value.code == 2 and "one of zho_Hans, zho_Hant\n" in capsys.readouterr().err


def test_a_code_of_one_language_is_enough_and_an_ambiguous_one_is_not(make) -> None:
    _, run = make("NLLB-200")
    chosen = load(run, src_lang="fr", tgt_lang="isl").tokenizer.languages
    assert chosen is not None and (chosen.source, chosen.target) == ("fra_Latn", "isl_Latn")
    with pytest.raises(UsageError, match="'zho' is several .* give one of zho_Hans, zho_Hant"):
        load(run, src_lang="zho")


def test_only_a_multilingual_run_takes_other_languages(make) -> None:
    _, run = make("MarianMT, swish, one vocabulary")
    with pytest.raises(UsageError, match="multilingual .* translates from eng to deu: leave them"):
        load(run, tgt_lang="fr")


def test_texts_begin_with_their_language_and_outputs_leave_it_out(make) -> None:
    _, run = make("M2M-100")
    translator = load(run)
    tokenizer = translator.tokenizer
    for side, code in (("src", "en"), ("tgt", "de")):
        ids = tokenizer.encode("the cat", side)
        assert tokenizer.models[side].piece(ids[0]) == tag_piece(code)
        assert tokenizer.sample("the cat", side, alpha=0.1, seed=1)[0] == ids[0]
        assert tokenizer.decode(ids, side) == "the cat"
    assert tokenizer.encode("__de__ the")[1:] == tokenizer.models["src"].encode(["__de__ the"])[0]
    (translation,) = translator.translate_nbest(["the cat"], 1, max_ratio=0, max_extra=12)
    (hypothesis,) = translation.parts[0].hypotheses
    assert hypothesis.tokens[0] == tokenizer.starts["tgt"][0] and hypothesis.log_probs[0] == 0
    pair = mt.inspect(translator).translate("the cat").attention[0]
    assert pair.source_words[0] == pair.target_words[0] == -1


def test_json_names_the_language_as_the_first_piece(make) -> None:
    translations = load(make("M2M-100")[1]).translate_nbest(["the cat"], 1, beam=1, max_extra=5)
    (record,) = map(json.loads, format_lines(translations, "jsonl", 1, False))
    assert record["pieces"][0] == ["de", 0]
    assert all(piece.isprintable() for piece, _ in record["pieces"])


def test_a_prefix_follows_the_language(make) -> None:
    _, run = make("NLLB-200")
    translator = load(run)
    options: dict[str, Any] = {"beam": 2, "max_ratio": 0, "max_extra": 12}
    sources, prefixes = ["the cat", "a dog", "a house"], ["die Ka", "", "ein "]
    found = translator.translate_nbest(sources, 1, prefixes=prefixes, **options)
    starts = [each.parts[0].hypotheses[0].tokens[0] for each in found]
    assert starts == translator.tokenizer.starts["tgt"] * len(sources)
    outputs = [each.text for each in found]
    assert outputs[0].startswith("die Ka") and outputs[2].startswith("ein")
    assert outputs[1] == translator.translate(sources[1], **options)


@pytest.mark.parametrize("backend", ["ctranslate2", "onnx", "hub"])
def test_exports_translate_between_the_languages_of_the_run_and_others(
    backend: str, make, tmp_path: Path
) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "hub": "torch"}.get(backend, backend))
    _, run = make("M2M-100")
    exported, trained = tmp_path / "exported", load_run(run, torch.device("cpu"))
    if backend == "hub":
        assert "position=fairseq" in " ".join(export_to_hub(exported, trained))
        assert (exported / "tokenizer.languages.json").exists()
    else:
        write_export(trained, backend, "float32", exported)
    sources = [line for line in stripped_lines(28) if line]
    options: dict[str, Any] = {"beam": 2, "max_ratio": 1.0, "max_extra": 5}
    for languages in ({}, {"src_lang": "fr", "tgt_lang": "is"}):
        precision = "fp32" if backend == "hub" else "auto"
        translator = mt.load(exported, split_sentences=False, precision=precision, **languages)
        outputs = translator.translate(sources, **options)
        expected = load(run, **languages).translate(sources, **options)
        assert sum(map(str.__eq__, outputs, expected)) >= len(sources) - 1


def test_a_package_of_argos_translate_is_refused(make, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    _, run = make("M2M-100")
    with pytest.raises(UsageError, match="cannot put the language of a multilingual model"):
        export_run(tmp_path / "x", load_run(run, torch.device("cpu")), "argos", "float32")


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    return RunFolder(run).read_tensors(RunFolder(run).model)[0]


def test_weights_in_half_precision_in_several_files_and_tied_under_other_names(
    make, tmp_path: Path
) -> None:
    folder, run = make("M2M-100")
    copy = shutil.copytree(folder, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    tensors["lm_head.weight"] = tensors.pop("model.shared.weight")  # the only tied table
    tensors = {name: tensor.half() for name, tensor in tensors.items()}
    (copy / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in files if files[name] == file}, copy / file)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    found, expected = tensors_of(import_as(copy, tmp_path / "run")), tensors_of(run)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == torch.float32 and torch.equal(
            found[name], tensor.half().float()
        )


def test_without_tokenizer_json_the_order_of_ids_is_that_of_fairseq(make, tmp_path: Path) -> None:
    folder, run = make("NLLB-200")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    other = import_as(copy, tmp_path / "run", "--tgt-lang", "fra_Latn")
    first, second = (json.loads((each / "vocabulary.json").read_text()) for each in (run, other))
    names = [each for each in first if each not in second]
    assert names == [tag_piece("<mask>")]  # which nothing uses
    languages = json.loads((other / "tokenizer.languages.json").read_text())
    assert (languages["source"], languages["target"]) == ("eng_Latn", "fra_Latn")
    assert RunFolder(other).read_config().data.languages() == ("eng_Latn", "fra_Latn")
    assert RunFolder(other).read_origin()["license"] == "cc-by-nc-4.0"


def test_a_sentencepiece_model_is_made_of_tokenizer_json(make, tmp_path: Path) -> None:
    folder, run = make("NLLB-200")
    for name in ("lists", "strings"):  # of merges: in new files and in old ones
        copy = shutil.copytree(folder, tmp_path / name)
        (copy / "sentencepiece.bpe.model").unlink()
        model = json.loads((copy / "tokenizer.json").read_text())["model"]
        if name == "strings":
            model["merges"] = [" ".join(pair) for pair in model["merges"]]
            edit_json(copy / "tokenizer.json", model=model)
        import_as(copy, tmp_path / f"{name}-run")
        ours, theirs = (Tokenizer.load(each) for each in (tmp_path / f"{name}-run", run))
        sources = mixed_lines(200)
        assert ours.encode_many(sources) == theirs.encode_many(sources)
        assert ours.kind == theirs.kind == "bpe"
        outputs = ours.encode_many(lines(50, TARGET_WORDS), "tgt")
        assert ours.decode_many(outputs) == theirs.decode_many(outputs) == lines(50, TARGET_WORDS)


def test_a_trimmed_run_keeps_all_languages(make, tmp_path: Path) -> None:
    _, run = make("M2M-100")
    text = ["the cat", "the dog sees", "a tree"]
    (tmp_path / "text").write_text("\n".join(text) + "\n")
    files = ["--src", str(tmp_path / "text"), "--tgt", str(tmp_path / "text")]
    trim.main([str(run), *files, "--out", str(tmp_path / "trimmed")])
    whole, trimmed = (load(each, tgt_lang="is").tokenizer for each in (run, tmp_path / "trimmed"))
    assert trimmed.languages == whole.languages and trimmed.vocab_size() < whole.vocab_size() - 50
    for line in text:
        pieces = (each.pieces(each.encode(line, "tgt"), "tgt") for each in (whole, trimmed))
        assert next(pieces) == next(pieces)
    options: dict[str, Any] = {"beam": 1, "max_ratio": 0, "max_extra": 12}
    assert load(tmp_path / "trimmed", src_lang="fr").translate(text, **options)


def test_an_ensemble_has_the_languages_that_are_chosen(make, tmp_path: Path) -> None:
    folder, run = make("M2M-100")
    other = import_as(folder, tmp_path / "run", "--src-lang", "fr", "--tgt-lang", "is")
    with pytest.raises(MTError, match="same tokenizer; src_lang and tgt_lang choose its languages"):
        load([run, other])
    options: dict[str, Any] = {"beam": 2, "max_ratio": 0, "max_extra": 12}
    sources = lines(20, SOURCE_WORDS)
    outputs = load([run, other], src_lang="en", tgt_lang="de").translate(sources, **options)
    assert outputs == load(run).translate(sources, **options)
