"""The fast engine by itself: when it is used, when it is exported anew, what PyTorch does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mt
from helpers.calls import call
from helpers.exports import save_lively_run, texts
from helpers.small_transformers import tiny
from helpers.tiny_models import save_run
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.ctranslate2 import CTranslate2Engine
from mt.decoding.engines.fallback import FallbackEngine
from mt.decoding.engines.pytorch import PyTorchEngine
from mt.decoding.load import TrainedModel
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.exporting import automatic
from mt.exporting.automatic import load_fastest

pytest.importorskip(
    "ctranslate2", reason="needs the extra ctranslate2: pip install -e '.[ctranslate2]'"
)
LINES = ["the cat under no tree .", "", *texts(12, seed=5)]


@pytest.fixture(scope="module")
def original(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "lively"
    save_lively_run(folder, tokenizer, tiny(norm="pre"))
    return folder


@pytest.fixture
def lively(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "lively"))


@pytest.fixture(autouse=True)
def any_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MT_BACKEND")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def load(said: list[str]) -> Callable[..., Translator]:
    def load(*paths: Path, **changes: Any) -> Translator:
        settings = {"device": "cpu", "precision": "auto", "backend": "auto", "quantization": ""}
        return load_fastest([*paths], **{**settings, "say": said.append, **changes})

    return load


def written(run: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (run / "export").rglob("model.bin")}


def test_a_run_is_exported_once_and_gives_the_outputs_of_pytorch(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    first = load(lively)
    assert isinstance(first.engine, FallbackEngine)
    assert isinstance(first.engine.fast, CTranslate2Engine)
    assert said == [f"exporting {lively} to CTranslate2 (float32), once for these weights"]
    before = written(lively)
    assert first.translate(LINES) == mt.load(lively, device="cpu", precision="fp32").translate(
        LINES
    )
    assert load(lively).translate(LINES) == first.translate(LINES)
    assert len(said) == 1 and written(lively) == before
    assert "slow" not in vars(first.engine)  # PyTorch has not been loaded
    with pytest.raises(UsageError, match="has not been exported for ctranslate2"):
        mt.load(lively, backend="ctranslate2")  # which is for exports that the user made


def test_it_is_exported_anew_if_the_weights_or_the_library_change(
    load: Callable[..., Translator],
    lively: Path,
    tokenizer: Tokenizer,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(lively)
    other = lively.parent / "other"
    save_lively_run(other, tokenizer, tiny(norm="pre"), seed=1)
    shutil.copyfile(other / "model.safetensors", lively / "model.safetensors")
    (lively / "checksums.txt").unlink(missing_ok=True)
    expected = mt.load(other, device="cpu", precision="fp32").translate(LINES)
    assert load(lively).translate(LINES) == expected
    assert len(said) == 2
    monkeypatch.setattr(automatic, "library_version", lambda backend: "ctranslate2 99")
    load(lively)
    assert len(said) == 3


def test_weights_that_a_training_replaces_meanwhile_are_exported_the_next_time(
    load: Callable[..., Translator],
    lively: Path,
    tokenizer: Tokenizer,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = lively.parent / "other"
    save_lively_run(other, tokenizer, tiny(norm="pre"), seed=1)
    load_run = automatic.load_run

    def replace_after(path: Path, device: torch.device) -> TrainedModel:
        run = load_run(path, device)
        shutil.copyfile(other / "model.safetensors", lively / "model.safetensors")
        (lively / "checksums.txt").unlink(missing_ok=True)
        return run

    with monkeypatch.context() as patch:
        patch.setattr(automatic, "load_run", replace_after)
        load(lively)
    expected = mt.load(other, device="cpu", precision="fp32").translate(LINES)
    assert load(lively).translate(LINES) == expected and len(said) == 2


@pytest.mark.medium
def test_pytorch_does_what_ctranslate2_cannot_and_says_so_once(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    translator, slow = load(lively), mt.load(lively, device="cpu", precision="fp32")
    said.clear()
    translator.engine._load_slow = lambda: slow.engine  # type: ignore[attr-defined]
    for _ in range(2):
        sampled = translator.translate(LINES[:4], seed=3, sample=True)
        assert sampled == slow.translate(LINES[:4], seed=3, sample=True)
    assert said == [
        "computing with PyTorch: the backend ctranslate2 does not support sampling, because its "
        "samples cannot be reproduced with a seed"
    ]
    long = translator.translate(LINES[:1], max_extra=120)  # beyond the table of positions
    assert long == slow.translate(LINES[:1], max_extra=120) and len(said) == 1
    starts = ["the" if line else "" for line in LINES]
    assert translator.translate(LINES, prefixes=starts) == slow.translate(LINES, prefixes=starts)
    inspected = mt.inspect(translator).translate(LINES[0], alignments=True)
    assert inspected.text == translator.translate(LINES[0]) and inspected.outputs[0].links


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"backend": "pytorch"}, "--backend is pytorch, not auto"),
        ({"precision": "bf16"}, "--precision is bf16"),
        ({"why_not": "no attention"}, "no attention"),
    ],
)
def test_settings_that_need_pytorch_get_it(
    load: Callable[..., Translator], lively: Path, changes: dict, reason: str
) -> None:
    assert isinstance(load(lively, **changes).engine, PyTorchEngine)
    assert not (lively / "export").exists()
    with pytest.raises(UsageError, match=f"--quantization int8 cannot be used: {reason}"):
        load(lively, quantization="int8", **changes)


def test_the_environment_chooses_pytorch_for_runs_and_leaves_exports_alone(
    load: Callable[..., Translator], lively: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(lively)
    monkeypatch.setenv("MT_BACKEND", "pytorch")
    assert isinstance(load(lively).engine, PyTorchEngine)
    assert isinstance(load(lively / "export" / "auto-float32").engine, CTranslate2Engine)
    monkeypatch.setenv("MT_BACKEND", "onnx")
    with pytest.raises(UsageError, match="MT_BACKEND must be auto or pytorch, got 'onnx'"):
        load(lively)


def test_models_and_ensembles_that_need_pytorch_get_it_in_silence(
    load: Callable[..., Translator],
    lively: Path,
    tokenizer: Tokenizer,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recurrent = save_run(lively.parent / "rnn", tokenizer, encoder="rnn")
    for paths in ([recurrent], [lively, lively]):
        assert isinstance(load(*paths).engine, PyTorchEngine)
    monkeypatch.setattr(automatic.importlib.util, "find_spec", lambda name: None)
    assert isinstance(load(lively).engine, PyTorchEngine)
    assert said == []


def test_a_run_that_cannot_be_written_falls_back(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    (lively / "export").write_text("in the way", encoding="utf-8")
    assert isinstance(load(lively).engine, PyTorchEngine)
    assert len(said) == 1 and said[0].startswith("computing with PyTorch: there is no export")
    with pytest.raises((MTError, OSError)):
        load(lively, quantization="int8")


def test_quantization_is_a_choice_of_the_user(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    load(lively, quantization="int8")
    assert [path.name for path in (lively / "export").glob("auto-*")] == ["auto-int8"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--src-lang", "xx"], "src_lang and tgt_lang are for multilingual models"),
        (["--tgt-lang", "xx"], "src_lang and tgt_lang are for multilingual models"),
        (["--tag", "<news>"], "does not know '<news>'"),
        (["--quantization", "int3"], "--quantization must be one of"),
        (["--batch-tokens", "0"], "must be >= 1"),
        (["--beam", "0"], "beam must be >= 1"),
        (["--input", "/nowhere/in.txt"], "no such file: /nowhere/in.txt"),
        (["--prefix", "/nowhere/starts.txt"], "no such file: /nowhere/starts.txt"),
        (["--score", "/nowhere"], "no such file: /nowhere"),
        (["--output", "/nowhere/out.txt"], "cannot write /nowhere/out.txt"),
    ],
)
def test_wrong_flags_are_refused_before_the_run_is_exported(
    lively: Path, monkeypatch, capsys, flags: list[str], message: str
) -> None:
    code, out, err = call(monkeypatch, capsys, lively, "--device", "cpu", *flags)
    assert code and out == "" and message in err and len(err.splitlines()) == 1
    assert not (lively / "export").exists()


def test_a_damaged_run_is_an_error_and_not_translated_by_an_old_export(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    for name in ("tokenizer.model", "model.safetensors"):
        path = lively / name
        content = path.read_bytes()
        path.write_bytes(content[:-100])
        with pytest.raises(MTError, match=path.stem):
            load(lively)
        assert said == []  # neither exports nor tries PyTorch
        path.write_bytes(content)
    load(lively)
    path.write_bytes(content[:-100])
    with pytest.raises(MTError, match=path.stem):
        load(lively)


def test_a_damaged_export_is_written_anew(
    load: Callable[..., Translator], lively: Path, said: list[str]
) -> None:
    expected = load(lively).translate(LINES)
    path = lively / "export" / "auto-float32" / "model.bin"
    path.write_bytes(path.read_bytes()[:-100])
    assert load(lively).translate(LINES) == expected
    assert len(said) == 2 and said[1].startswith("exporting ")


def test_batches_are_divided_among_the_workers(lively: Path, load: Callable) -> None:
    torch.set_num_threads(2)
    engine = load(lively).engine.fast
    sizes: list[int] = []
    run = engine._run

    def count(sources: Any, batches: Any, *others: Any) -> Any:
        sizes.extend(len(batch) for batch, _ in batches)
        return run(sources, batches, *others)

    engine._run = count
    translator = load(lively)
    translator.engine.fast = engine
    translator.translate(["the cat " * 10] * 20)
    assert len(sizes) == 2 and sum(sizes) == 20


@pytest.mark.medium
def test_mt_translate_uses_it_by_default(
    lively: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stdin = "".join(line + "\n" for line in LINES).encode()
    code, out, err = call(monkeypatch, capsys, lively, "--device", "cpu", stdin=stdin)
    assert code == 0 and err.startswith("exporting ")
    assert list((lively / "export").glob("auto-float32/model.bin"))
    flags = ["--device", "cpu", "--backend", "pytorch", "--precision", "fp32"]
    assert call(monkeypatch, capsys, lively, *flags, stdin=stdin)[1] == out
    for flag, reason in (("--alignments", "attention"), ("--sample", "reproduce samples")):
        code, _, err = call(
            monkeypatch, capsys, lively, flag, "--device", "cpu", stdin=b"the cat\n"
        )
        assert code == 0 and err.startswith("computing with PyTorch: ") and reason in err
    code, out, err = call(monkeypatch, capsys, lively, "--quiet", "--alignments", "the cat")
    assert code == 0 and err == ""
    code, _, err = call(monkeypatch, capsys, lively, "--quantization", "int8", "--sample", "x")
    assert code == 2 and "--quantization int8 cannot be used" in err
