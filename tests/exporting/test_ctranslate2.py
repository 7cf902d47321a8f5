"""CTranslate2 exports: supported mechanisms agree with PyTorch, all others are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

import mt
from helpers.exports import MAX_PIECES, save_lively_run, texts, write_export
from helpers.small_transformers import tiny
from mt.config.schema import ModelConfig, TransformerConfig, keys
from mt.data.tokenizer import Tokenizer
from mt.decoding.options import SearchOptions
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.exporting.ctranslate2_support import MODEL_SETTINGS, TRANSFORMER_SETTINGS, obstacles

pytest.importorskip(
    "ctranslate2", reason="needs the extra ctranslate2: pip install -e '.[ctranslate2]'"
)


MECHANISMS = {
    "sinusoidal, pre-norm, relu": tiny(),
    "no positions": tiny(position="none"),
    "learned": tiny(position="learned"),
    "fairseq": tiny(position="fairseq"),
    "shaw": tiny(position="shaw"),
    "t5": tiny(position="t5"),
    "rope": tiny(position="rope"),
    "alibi in the decoder": tiny(encoder_position="rope", decoder_position="alibi"),
    "alibi, six heads": dataclasses.replace(
        tiny(heads=6, encoder_position="t5", decoder_position="alibi"), dim=48
    ),
    "sides apart": tiny(
        encoder_position="shaw", decoder_position="learned", encoder_layers=1, decoder_layers=3
    ),
    "post-norm": tiny(norm="post"),
    "sandwich": tiny(norm="sandwich"),
    "deepnorm": tiny(norm="deepnorm", decoder_layers=3),
    "rms": tiny(norm_kind="rms"),
    "sandwich, rms, swiglu": tiny(norm="sandwich", norm_kind="rms", activation="swiglu"),
    "gelu": tiny(activation="gelu"),
    "swish": tiny(activation="swish"),
    "swiglu": tiny(activation="swiglu"),
    "multi-query": tiny(kv_heads=1),
    "multi-query, rope": tiny(kv_heads=1, position="rope"),
    "multi-query, shaw": tiny(kv_heads=1, position="shaw"),
    "grouped-query": tiny(kv_heads=2),
    "grouped-query, t5": tiny(kv_heads=2, position="t5"),
    "grouped-query, alibi": tiny(kv_heads=2, encoder_position="none", decoder_position="alibi"),
    "qk-norm": tiny(qk_norm=True),
    "qk-norm, rope, grouped-query": tiny(qk_norm=True, position="rope", kv_heads=2),
    "tied embeddings": tiny(tie_embeddings="all"),
    "tied target": tiny(tie_embeddings="target"),
}
REFUSED = {
    "encoder=rnn": dataclasses.replace(tiny(), encoder="rnn"),
    "decoder=rnn": dataclasses.replace(tiny(), decoder="rnn"),
    "encoder_position=alibi": tiny(encoder_position="alibi"),
    "encoder_pattern=window": tiny(encoder_pattern="window"),
    "decoder_pattern=window": tiny(decoder_pattern="window"),
    "decoder_pattern=strided": tiny(decoder_pattern="strided"),
    "encoder_pattern=multiscale": tiny(pattern="multiscale"),
    "encoder_pattern=adaptive_span": tiny(pattern="adaptive_span"),
    "decoder_pattern=linear": tiny(pattern="linear"),
    "select=sparsemax": tiny(select="sparsemax"),
    "select=entmax15": tiny(select="entmax15"),
    "softcap=20": tiny(softcap=20.0),
}


@pytest.mark.parametrize("config", MECHANISMS.values(), ids=MECHANISMS.keys())
def test_the_exported_model_agrees_with_the_original(
    config: ModelConfig, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    assert not obstacles(config)
    run = save_lively_run(tmp_path / "run", tokenizer, config)
    ours = mt.load(run.folder.path, device="cpu", precision="fp32")
    theirs = mt.load(write_export(run, "ctranslate2", "float32", tmp_path / "out"))
    sources, targets = texts(8, seed=1), texts(8, seed=2)
    expected = ours.score(zip(sources, targets, strict=True))
    found = theirs.score(zip(sources, targets, strict=True))
    assert [score.tokens for score in found] == [score.tokens for score in expected]
    assert [score.log_prob for score in found] == pytest.approx(
        [score.log_prob for score in expected], abs=1e-3
    )
    lengths = set()
    for changes in ({"beam": 1}, {"beam": 3, "length_penalty": 0.6}, {"beam": 2, "min_length": 4}):
        both = zip(*(search(each, sources, **changes) for each in (ours, theirs)), strict=True)
        same = [(one, other) for one, other in both if one.tokens == other.tokens]
        # Beams stop at different steps, and the scores of random models hardly differ.
        assert len(same) >= (len(sources) if changes["beam"] == 1 else len(sources) / 4)
        for one, other in same:
            lengths.add(one.length)
            assert other.complete == one.complete
            if "min_length" in changes:  # CTranslate2 excludes EOS before the softmax
                assert one.length > 4
            else:
                assert (other.score, other.log_prob) == pytest.approx(
                    (one.score, one.log_prob), abs=1e-3
                )
    assert len(lengths) > 2


@pytest.mark.parametrize("choices", [{"no_repeat_ngram": 2}, {"repetition_penalty": 1.4}])
def test_constraints_are_those_of_our_search(exported: Path, choices: dict) -> None:
    ours = mt.load(exported, backend="pytorch", device="cpu", precision="fp32")
    theirs = mt.load(exported, backend="ctranslate2")
    lines = texts(20, 5)
    free, one, other = (
        search(each, lines, beam=1, **wanted)
        for each, wanted in ((ours, {}), (ours, choices), (theirs, choices))
    )
    assert [each.tokens for each in one] != [each.tokens for each in free]
    assert [each.tokens for each in other] == [each.tokens for each in one]


@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_minimum_bayes_risk_works_on_a_beam(exported: Path, metric: str) -> None:
    theirs = mt.load(exported, backend="ctranslate2")
    for each in theirs.translate_nbest(texts(4, 5), 2, mbr=6, mbr_metric=metric, max_extra=3):
        best, second = each.outputs
        assert 100 >= best.score >= second.score >= 0 and best.text != second.text


def search(translator: Translator, lines: list[str], **changes) -> list[Hypothesis]:
    """Return the best hypothesis of each line.

    Pieces are compared instead of text, because all invalid bytes are decoded as the same text.
    """
    options = SearchOptions(max_ratio=1.0, max_extra=4, **changes)
    rows = translator.tokenizer.encode_many(lines)
    found = translator.engine.search(
        rows, options, translator.budget, torch.Generator(), lambda _: None
    )
    return [hypotheses[0] for hypotheses in found]


@pytest.mark.parametrize(("message", "config"), REFUSED.items(), ids=REFUSED.keys())
def test_unsupported_settings_are_refused(message: str, config: ModelConfig) -> None:
    assert any(each.startswith(f"{message} (only ") for each in obstacles(config)), obstacles(
        config
    )


def test_every_choice_of_the_schema_is_tested_or_refused() -> None:
    """A new mechanism must not be exported as another one."""
    tested = {
        f"{name}={getattr(config.transformer, name)}"
        for config in MECHANISMS.values()
        for name in vars(config.transformer)
    }
    for name in (
        "position",
        "encoder_position",
        "decoder_position",
        "pattern",
        "select",
        "norm",
        "norm_kind",
        "activation",
    ):
        for value in keys()[f"model.transformer.{name}"].metadata["choices"]:
            both = {f"{name}={value}", f"{name.split('_')[-1]}={value}"}
            assert both & tested or obstacles(tiny(**{name: value})), f"{name}={value}"


def test_every_setting_is_listed_and_any_other_is_refused() -> None:
    for section, listed in (
        (ModelConfig, MODEL_SETTINGS),
        (TransformerConfig, TRANSFORMER_SETTINGS),
    ):
        assert {setting.name for setting in dataclasses.fields(section)} == listed.keys()

    @dataclasses.dataclass
    class GatedConfig(TransformerConfig):
        gate: bool = False

    config = dataclasses.replace(tiny(), transformer=GatedConfig())
    assert obstacles(config) == ["gate=False (unknown to this export)"]


@pytest.mark.parametrize("name", ["encoder.layers.1.attention", "decoder.layers.0.cross_attention"])
def test_a_weight_that_the_export_does_not_read_is_refused(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """A gate that was added to multi-head attention is not left out silently."""
    run = save_lively_run(tmp_path / "run", tokenizer, tiny())
    run.model.get_submodule(name).gate = torch.nn.Linear(8, 8, bias=False)
    with pytest.raises(UsageError, match=rf"the weights {name}\.gate\.weight; --to onnx"):
        write_export(run, "ctranslate2", "float32", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_unsupported_settings_are_listed_at_once(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = tiny(position="alibi", pattern="window", select="entmax15", softcap=5.0)
    run = save_lively_run(tmp_path / "run", tokenizer, config)
    with pytest.raises(UsageError) as error:
        write_export(run, "ctranslate2", "float32", tmp_path / "out")
    for part in (
        "encoder_position=alibi",
        "encoder_pattern=window",
        "decoder_pattern=window",
        "select=entmax15",
        "softcap=5",
        "--to onnx",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def exported(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that contains one export."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    run = save_lively_run(folder, tokenizer, tiny())
    write_export(run, "ctranslate2", "float32", folder / "export" / "ctranslate2-float32")
    return folder


@pytest.mark.parametrize("quantization", ["int8", "bfloat16"])
def test_quantised_exports_are_smaller_and_close_and_leave_the_model_unchanged(
    quantization: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny(tie_embeddings="all"))
    before = [parameter.clone() for parameter in run.model.parameters()]
    full, small = (
        write_export(run, "ctranslate2", each, tmp_path / each)
        for each in ("float32", quantization)
    )
    assert all(
        torch.equal(one, other) for one, other in zip(before, run.model.parameters(), strict=True)
    )
    assert (small / "model.bin").stat().st_size < 0.7 * (full / "model.bin").stat().st_size
    pairs = list(zip(texts(8, 1), texts(8, 2), strict=True))
    one, other = (
        torch.tensor([score.log_prob / score.tokens for score in mt.load(each).score(pairs)])
        for each in (full, small)
    )
    assert 0 < (one - other).abs().max() < 0.5


def test_a_translation_does_not_depend_on_the_other_lines(exported: Path) -> None:
    """CTranslate2 has one maximum output length per batch, not one per sentence."""
    translator = mt.load(exported, backend="ctranslate2")
    lines = ["x", *texts(10, 3), " ".join(["cat"] * 30)]
    for beam in (1, 3):
        for extra in (1, 4):
            rows = translator.tokenizer.encode_many(lines)
            options = SearchOptions(beam=beam, max_ratio=0.3, max_extra=extra)
            work = translator.budget, torch.Generator(), lambda _: None
            together = [each[0] for each in translator.engine.search(rows, options, *work)]
            alone = [translator.engine.search([row], options, *work)[0][0] for row in rows]
            assert [each.tokens for each in together] == [each.tokens for each in alone]
            assert [each.log_prob for each in together] == pytest.approx(
                [each.log_prob for each in alone], abs=1e-3
            )
            assert all(
                each.length <= int(0.3 * (len(row) + 1)) + extra
                for each, row in zip(together, rows, strict=True)
            )
            assert not all(each.complete for each in together)


def test_special_tokens_are_never_produced(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny())
    with torch.no_grad():
        run.model.output.bias[:3] = 30
    translator = mt.load(write_export(run, "ctranslate2", "float32", tmp_path / "out"))
    found = translator.engine.search(
        [[5, 6, 7]],
        SearchOptions(beam=2, nbest=2),
        translator.budget,
        torch.Generator(),
        lambda _: None,
    )
    assert all(min(hypothesis.tokens, default=9) > 2 for hypothesis in found[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.translate("x", sample=True), "does not support sampling"),
        (lambda t: mt.inspect(t).align([("x", "y")]), "--backend pytorch"),
        (lambda t: mt.inspect(t).translate("x"), "--backend pytorch"),
        (lambda t: t.translate(" ".join(["cat"] * 12), max_ratio=50.0), "lower --max-ratio"),
        (lambda t: t.score([("cat", "cat " * 200)]), "a text has .* tokens, but"),
    ],
)
def test_calls_that_ctranslate2_cannot_serve_are_refused(
    call, message: str, exported: Path
) -> None:
    with pytest.raises(MTError, match=message):
        call(mt.load(exported, backend="ctranslate2"))


def test_pytorch_refuses_an_export_and_says_what_it_needs(exported: Path) -> None:
    folder = next((exported / "export").glob("ctranslate2-*"))
    for paths in (folder, [exported, folder]):
        with pytest.raises(MTError, match=f"{folder} is an export: give the run"):
            mt.load(paths, backend="pytorch")


def test_an_export_refuses_workers(exported: Path) -> None:
    assert mt.load(exported, backend="ctranslate2", workers=0)
    with pytest.raises(MTError, match="the backend ctranslate2 has no workers"):
        mt.load(exported, backend="ctranslate2", workers=2)


def test_only_a_table_of_positions_limits_the_length(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny(position="rope"))
    translator = mt.load(write_export(run, "ctranslate2", "float32", tmp_path / "out"))
    assert translator.score([("cat", "cat " * 200)])[0].tokens > 200
    assert len(translator.translate(" ".join(["cat"] * 12), max_ratio=50.0, beam=1)) > 0


def test_an_export_that_is_damaged_or_too_new_is_refused(
    exported: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny())
    folder = write_export(run, "ctranslate2", "float32", tmp_path / "out")
    facts = json.loads((folder / "export.json").read_text())
    assert facts["longest"] == 2 * (MAX_PIECES + 1) + 20
    (folder / "export.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(MTError, match="upgrade mt"):
        mt.load(folder)
    (folder / "export.json").write_text("{")
    with pytest.raises(MTError, match="export the run again"):
        mt.load(folder)
    (folder / "export.json").write_text(json.dumps(facts))
    (folder / "model.bin").write_bytes(b"x")
    (folder / "checksums.txt").unlink()
    with pytest.raises(MTError, match="CTranslate2 cannot load"):
        mt.load(folder)
