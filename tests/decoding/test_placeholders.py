"""Placeholders in translation: restored in every part and hypothesis, and counted if lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mt
from helpers.calls import call
from helpers.exports import save_lively_run, write_export
from helpers.tiny_models import save_run, sentences, tiny_config
from mt.config.schema import TokenizerConfig
from mt.data.normalisation import Normaliser, normalise
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.engines import engine as engine_module
from mt.decoding.output_warnings import INVENTED, LOST
from mt.decoding.prefixes import PrefixEncoder
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.inspection.inspector import Inspector

LINE = 'Click <a href="x. Y">{name}</a>. See https://a.b/c?d=e! The file %s is red.'
PART = st.sampled_from(
    ["{0}", "%s", "<b>", '<a href="X. Y">', "http://a.b/c?d.", "__x__", "cat", "The", ".", "?", " "]
    + ["the cat sees", "\U00100000", "C++", "xC++", " green dog, "]
)


@pytest.fixture(scope="module", params=[True, False])
def symbols_run(request: pytest.FixtureRequest, tmp_path_factory) -> Path:
    lines = sentences(300) + ["The cat. 0123456789abcdefghijklmnopqrstuvwxyz:/?=%<>{}"]
    config = TokenizerConfig(
        max_vocab_size=400, joint=True, symbols=["C++"], placeholders=["all"], type="bpe"
    )
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config)
    if not request.param:  # the same pieces on both sides, in two models
        model = tokenizer.models["src"].serialized
        tokenizer = Tokenizer(model, model, symbols=tokenizer.symbols)
    return save_run(tmp_path_factory.mktemp("run") / "run", tokenizer)


@pytest.fixture(scope="module")
def translator(symbols_run: Path) -> Translator:
    return mt.load(symbols_run, device="cpu", precision="fp32", split_sentences=True)


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch, symbols_run: Path) -> None:
    """A search that returns the source, and without its placeholders as the second hypothesis."""
    tokenizer = Tokenizer.load(symbols_run)
    numbers = {
        i for i, p in enumerate(tokenizer.pieces(range(tokenizer.vocab_size()))) if "\x02" in p
    }

    def search(model, source, mask, options, generator, beginnings, before_step):
        rows = [[token for token in row if token > EOS] for row in source.tolist()]
        return [
            [
                Hypothesis([i for i in row if i not in dropped], -1.0, -1.0, True)
                for dropped in ((), numbers)[: options.nbest]
            ]
            for row in rows
        ]

    monkeypatch.setattr(engine_module, "search", search)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PART, max_size=60))
def test_a_copied_line_is_the_line(echo: None, translator: Translator, parts: list[str]) -> None:
    line = normalise("".join(parts))
    # Only white space between parts of the line may differ.
    assert "".join(translator.translate(line).split()) == "".join(line.split())


def test_parts_hypotheses_and_warnings(echo: None, translator: Translator) -> None:
    before = translator.counts.copy()
    [translation] = translator.translate_nbest([LINE], 2)
    assert [part.source for part in translation.parts] == [
        'Click <a href="x. Y">{name}</a>.',
        "See https://a.b/c?d=e!",
        "The file %s is red.",
    ]
    whole, dropped = translation.outputs
    assert (whole.text, whole.warnings) == (LINE, ["copy"])  # there are no placeholder warnings
    assert dropped.text == "Click . See ! The file  is red." and dropped.warnings == [LOST]
    assert [part.warnings for part in dropped.parts] == [[LOST]] * 3
    assert translator.counts - before == {"sentences": 1, "copy": 1}


def test_lost_and_invented_placeholders_are_reported(
    symbols_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tokenizer = Tokenizer.load(symbols_run)
    outputs = iter(["x {b} {a}", "x", "{a} {a}"])
    rows = [pair.target for pair in tokenizer.encode_pairs([("{a} {b}", o) for o in outputs])]

    def search(model, source, mask, options, generator, beginnings, before_step):
        return [[Hypothesis(row, -1.0, -1.0, True)] for row in rows]

    monkeypatch.setattr(engine_module, "search", search)
    flags = ("--format", "jsonl", "--device", "cpu", "{a}", "{a}", "{a}")
    code, out, err = call(monkeypatch, capsys, symbols_run, *flags)
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [(record["text"], record["warnings"]) for record in records] == [
        ("x  {a}", [INVENTED]),
        ("x", [LOST]),
        ("{a} {a}", [INVENTED]),
    ]
    assert "lines whose translation lacks a placeholder of the source: 1" in err
    assert "lines whose translation has a placeholder that the source does not have: 2" in err


def test_words_of_maps_and_alignments_are_those_of_the_text(
    echo: None, translator: Translator
) -> None:
    inspector = Inspector(translator)
    [translation] = inspector.translate([LINE], alignments=True)
    assert inspector.unaligned == 0
    targets = {target for _, target in translation.outputs[0].links.sure}
    assert targets <= set(range(len(LINE.split(" ")))) and len(targets) == len(LINE.split(" "))
    for part, attention in zip(translation.parts, translation.attention, strict=True):
        count = len(part.source.split(" "))
        assert max(attention.source_words) + 1 == count
        for kind in ("cross", "encoder", "decoder"):
            assert attention.word_weights(kind=kind).shape == (count, count)
            assert attention.piece_weights(kind).sum(-1) == pytest.approx(1, abs=1e-5)
    assert '<a,▁href="x.,▁Y">,{name},</a>' in ",".join(translation.attention[0].source_pieces)
    [given] = inspector.attention([(LINE, LINE)])
    assert given.source_pieces == given.target_pieces


def test_scores_do_not_depend_on_what_placeholders_stand_for(translator: Translator) -> None:
    first, second, other = translator.score(
        [
            ("see {a} {b}", "{b} see {a}"),
            ("see {c} <b>", "<b> see {c}"),
            ("see {a} {b}", "{a} see {b}"),
        ]
    )
    assert first == second != other


@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_exports_translate_and_score_placeholders_as_the_run(backend: str, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2" if backend == "ctranslate2" else "onnxruntime")
    lines = sentences(300)
    config = TokenizerConfig(max_vocab_size=400, symbols=["C++"], placeholders=["all"])
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config)
    model = tiny_config("transformer", "transformer")
    model.transformer.position = "sinusoidal"
    run = save_lively_run(tmp_path / "run", tokenizer, model)
    folder = write_export(run, backend, "float32", tmp_path / "export")
    texts = ["the {a} cat C++ <b>", LINE, "C++ sees %s under {b} {c} {d} {e}"]
    both = [
        mt.load(tmp_path / "run", device="cpu", precision="fp32", split_sentences=True),
        mt.load(folder, device="cpu", split_sentences=True),
    ]
    ours, theirs = (each.translate(texts, beam=1, max_ratio=0.3) for each in both)
    assert ours == theirs and "".join(ours) == normalise("".join(ours), "none")
    pairs = [(text, text) for text in texts]
    ours, theirs = (each.score(pairs) for each in both)
    assert [s.tokens for s in ours] == [s.tokens for s in theirs]
    assert [s.log_prob for s in ours] == pytest.approx([s.log_prob for s in theirs], rel=1e-3)


def test_a_prefix_has_the_numbers_of_its_source(translator: Translator) -> None:
    tokenizer = translator.tokenizer
    prefix, source = "the {b} cat", "{a} the cat {b}"
    [sequences] = PrefixEncoder(tokenizer, "en", Normaliser()).encode(prefix, [source])
    [pair] = tokenizer.encode_pairs([(source, prefix)])
    assert list(pair.target) in sequences
    [output] = translator.translate_nbest([source], 1, prefixes=[prefix])
    assert output.text.startswith(prefix)
