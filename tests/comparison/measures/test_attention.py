"""Attention in the results, compared with what mt-evaluate reports for the same models."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import mt
import mt.comparison.measures.alignments as alignments
import mt.comparison.measures.attention as attention_module
from helpers.comparing import PAIRS, REFERENCES, make_run
from helpers.tiny_models import save_run
from mt.comparison.inputs import read_variants
from mt.comparison.measures.alignments import align_run, stored_links
from mt.comparison.measures.attention import attention_map, sample_rows
from mt.comparison.results.compute import compute_results
from mt.comparison.schema.attention import AttentionDiagnostics, AttentionResult
from mt.comparison.schema.results import AttentionMap, Results, SentenceResult
from mt.comparison.schema.typed_json import from_json
from mt.comparison.systems import ComparisonInput, SystemRun
from mt.data.links import Links, parse_lines
from mt.data.tokenizer import Tokenizer
from mt.evaluation.alignment import AttentionAlignmentScores
from mt.evaluation.lengths import measure_lengths
from mt.inspection.alignment_error import score_attention
from mt.inspection.alignments import LayerReading
from mt.inspection.diagnostics.measure import diagnose
from mt.inspection.diagnostics.tables import diagnostics_dict
from mt.inspection.maps.page import sentence_record
from mt.inspection.maps.sentence_map import sentence_map
from mt.models.build import build_model
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder

Compared = tuple[ComparisonInput, Results]

COUNT = 60


@pytest.fixture(scope="module")
def variants(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer
) -> dict[str, list[str]]:
    """A Transformer with two seeds and recurrent models with and without attention.

    Most pairs have gold links; an output is blank.
    """
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, list[str]] = {}
    for seed, (name, system) in enumerate(
        (("a1", "transformer"), ("a2", "transformer"), ("r", "rnn"), ("n", "none"))
    ):
        path = save_run(folder / name, tokenizer, seed, max_pieces=400)
        config = RunFolder.at(path).read_config()
        config.seed, config.trainer.device = seed, "cpu"
        if system != "transformer":
            config.model.encoder = config.model.decoder = "rnn"
            config.model.rnn.attention = "none" if system == "none" else "additive"
            torch.manual_seed(seed)
            model = build_model(config.model, tokenizer.vocab_size(), tokenizer.vocab_size())
            saved = RunFolder.at(path)
            saved.write_tensors(saved.model, model_tensors(model), {})
        outputs = [
            "" if i == 0 else f"{name} {pair.target}"[: 20 + 5 * seed]
            for i, pair in enumerate(PAIRS[:COUNT])
        ]
        make_run(path, config, outputs)
        (path / "test.links.txt").write_text(
            "".join(
                "\n" if i % 9 == 1 else pair.pharaoh.replace("-", "p", 2) + "\n"
                for i, pair in enumerate(PAIRS[:COUNT])
            ),
            encoding="utf-8",
        )
        found.setdefault(system, []).append(str(path))
    return found


@pytest.fixture(scope="module")
def compared(variants: dict[str, list[str]]) -> Compared:
    inputs = read_variants(variants)
    return inputs, compute_results(inputs, bootstrap=100, sentences=8, maps=3)


def entry(compared: Compared, system: str) -> AttentionResult:
    return next(each for each in compared[1].attention if each.system == system)


@pytest.fixture(scope="module")
def evaluated(compared: Compared) -> dict[str, list[AttentionAlignmentScores]]:
    """System -> the scores of mt-evaluate for each of its runs; without the one that has none."""
    inputs, _ = compared
    test = inputs.tests[0]
    assert test.sources is not None and test.links is not None
    pairs = list(zip(test.sources, test.references, strict=True))
    return {
        system.name: [
            score_attention(
                mt.inspect(mt.load(run.path, "cpu", "fp32")).attention(pairs), test.links
            )
            for run in system.runs
        ]
        for system in inputs.systems[:2]
    }


def test_alignment_errors_are_those_of_mt_evaluate(
    compared: Compared, evaluated: dict[str, list[AttentionAlignmentScores]]
) -> None:
    inputs, _ = compared
    test = inputs.tests[0]
    assert test.sources is not None and test.links is not None
    pairs = list(zip(test.sources, test.references, strict=True))
    for system, scores in evaluated.items():
        values = [each.default.aer for each in scores]
        figure = entry(compared, system).aer.overall
        assert figure.values == pytest.approx(values) and figure.value == pytest.approx(
            np.mean(values)
        )
        assert figure.interval[0] <= figure.value <= figure.interval[1]
    lengths = measure_lengths(test.sources, test.references)
    short, run = lengths.short, inputs.systems[1].runs[0]
    translator = mt.load(run.path, "cpu", "fp32")
    of_short = score_attention(
        mt.inspect(translator).attention([pairs[i] for i in short]), [test.links[i] for i in short]
    ).default.aer
    assert entry(compared, "rnn").aer.short.value == pytest.approx(of_short)
    assert entry(compared, "rnn").aer.overall.difference.text
    assert (entry(compared, "rnn").layers, entry(compared, "rnn").aer_layer) == (1, 1)
    assert entry(compared, "none") == AttentionResult("none", False, None, None, None)


def test_errors_by_layer_and_reading_are_those_of_mt_evaluate(
    compared: Compared, evaluated: dict[str, list[AttentionAlignmentScores]]
) -> None:
    result = entry(compared, "transformer")
    assert [each.layer for each in result.aer_by_layer] == [1, 2]
    for each in result.aer_by_layer:
        for reading, value in (("output", each.output), ("input", each.input)):
            scores = [run.get(each.layer - 1, None, reading) for run in evaluated["transformer"]]
            assert value.values == pytest.approx([score.aer for score in scores])
        assert each.input.difference.effect == pytest.approx(each.input.value - each.output.value)
    assert len({value for each in result.aer_by_layer for value in each.output.values}) == 4
    default = result.aer_by_layer[result.aer_layer - 1].output
    assert (default.values, default.cases) == (result.aer.overall.values, result.aer.overall.cases)
    [only] = entry(compared, "rnn").aer_by_layer  # attends before it reads
    assert only.input is None and only.output.values == entry(compared, "rnn").aer.overall.values


def test_unlinked_words_have_a_sure_link_and_none_from_attention(compared: Compared) -> None:
    test, run = compared[0].tests[0], compared[0].systems[1].runs[0]
    assert test.sources is not None and test.links is not None
    outputs = test.hypotheses["rnn"][0]
    found = mt.inspect(mt.load(run.path, "cpu", "fp32")).align(
        zip(test.sources, outputs, strict=True)
    )
    lost = total = 0
    for links, gold in zip(found, test.links, strict=True):
        for word in {source for source, _ in gold.sure}:
            total += 1
            lost += all(source != word for source, _ in links.possible)
    figure = entry(compared, "rnn").unlinked.overall
    assert (
        figure.value == pytest.approx(100 * lost / total)
        and figure.cases == total
        and 0 < lost < total
    )


def test_diagnostics_are_those_of_mt_evaluate_with_means_by_length(
    compared: Compared,
) -> None:
    inputs, results = compared
    test, run = inputs.tests[0], inputs.systems[0].runs[0]
    assert test.sources is not None
    diagnostics = entry(compared, "transformer").diagnostics
    content = diagnostics_dict(
        diagnose(mt.load(run.path, "cpu", "fp32"), test.sources, test.references)
    )
    expected = from_json(AttentionDiagnostics, content | {"by_length": []})
    assert diagnostics is not None
    assert dataclasses.replace(diagnostics, by_length=[]) == expected
    buckets = diagnostics.by_length
    assert [(each.label, each.sentences) for each in buckets] == [
        (each.label, each.sentences) for each in results.tests[0].buckets
    ]
    for kind, figures in expected.kinds.items():
        for figure, part in (("evenness", "layer"), ("under", "mean_map")):
            if figure in figures.figures:
                means = np.array([each.kinds[kind][figure] for each in buckets if each.sentences])
                weights = [each.sentences for each in buckets if each.sentences]
                np.testing.assert_allclose(
                    np.average(means, axis=0, weights=weights),
                    getattr(figures.figures[figure], part).mean,
                    rtol=1e-4,
                )


def test_the_first_sentences_have_the_maps_of_mt_evaluate(compared: Compared) -> None:
    inputs, results = compared
    assert [each.attention is not None for each in results.sentences] == [True] * 3 + [False] * 5
    translator = mt.load(inputs.systems[0].runs[0].path, "cpu", "fp32")
    for sentence in results.sentences[:3]:
        assert sentence.attention["none"] is None
        output = sentence.outputs["transformer"]
        pair = mt.inspect(translator).attention([(sentence.source, output)])[0]
        expected = sentence_record(
            sentence_map(pair, f"transformer, sentence {sentence.index + 1}")
        )
        made = sentence.attention["transformer"]
        assert made == from_json(AttentionMap, expected) and made.weights.keys() == {"cross"}


def test_blank_and_too_long_sentences_have_no_map(variants: dict[str, list[str]]) -> None:
    inspector = mt.inspect(mt.load(variants["rnn"][0], "cpu", "fp32"))
    whole = SentenceResult(0, "A cat sees.", "", {"rnn": "Eine Katze."}, {}, 0.0, {}, None)
    assert attention_map(inspector, whole, "rnn") is not None
    assert attention_map(inspector, dataclasses.replace(whole, outputs={"rnn": " "}), "rnn") is None
    assert attention_map(inspector, dataclasses.replace(whole, source="cat " * 500), "rnn") is None


def test_links_are_stored_and_computed_again_for_another_model(
    tokenizer: Tokenizer, compared: Compared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, test = compared[0].systems[1].runs[0], compared[0].tests[0]
    stored = list((Path(run.path) / "tests").glob("test-*.alignments.txt"))
    assert (
        len(stored) == 2
        and len(parse_lines(stored[0].read_text("utf-8").splitlines(), "x")) == COUNT
    )
    monkeypatch.setattr(alignments, "load_inspector", lambda _: pytest.fail("a model was loaded"))
    default = LayerReading(0, "output")

    def align(run: SystemRun) -> dict[LayerReading, list[Links]]:
        return stored_links(run, test, test.references, [default], default, None)

    before = align(run)
    for path in stored:
        path.unlink()
    with pytest.raises(pytest.fail.Exception):
        align(run)
    monkeypatch.undo()
    assert align(run) == before
    copy = dataclasses.replace(run, path=str(shutil.copytree(run.path, tmp_path / "copy")))
    assert align(copy) == before
    torch.manual_seed(99)
    other = build_model(run.config.model, tokenizer.vocab_size(), tokenizer.vocab_size())
    changed = RunFolder.at(tmp_path / "copy")
    changed.write_tensors(changed.model, model_tensors(other), {})
    assert align(copy) != before


def test_a_second_report_reads_the_links_of_all_layers(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, test = compared[0].systems[0], compared[0].tests[0]
    run = system.runs[1]
    assert test.sources is not None
    inspector = mt.inspect(mt.load(run.path, "cpu", "fp32"))
    readings = inspector.layer_readings()
    files = sorted((Path(run.path) / "tests").glob("test-*.alignments.txt"))
    assert sorted(path.name.split(".", 1)[1] for path in files) == [
        *["alignments.txt"] * 2,  # of references and of outputs, layer 1, reading "output"
        "layer1-input.alignments.txt",
        "layer2-input.alignments.txt",
        "layer2-output.alignments.txt",
    ]
    monkeypatch.setattr(alignments, "load_inspector", lambda _: pytest.fail("a model was loaded"))
    links = align_run(system, 1, test, readings, None)
    assert list(links.references) == readings
    assert links.default == inspector.align(zip(test.sources, test.references, strict=True))
    file = next(path for path in files if path.name.endswith("layer2-input.alignments.txt"))
    stored = file.read_bytes()
    file.unlink()
    with pytest.raises(pytest.fail.Exception):
        align_run(system, 1, test, readings, None)
    monkeypatch.undo()
    assert align_run(system, 1, test, readings, None) == links and file.read_bytes() == stored


def test_a_sample_is_even_and_has_short_and_long_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_module, "MAX_SENTENCES", 4)
    texts = ["a " * (30 if i % 3 == 0 else 5) for i in range(30)]
    chosen = sample_rows(measure_lengths(None, texts))
    assert [int(i) for i in chosen if i % 3 == 0] == [0, 9, 18, 27]
    assert len(chosen) == 8 and sorted(chosen) == list(chosen) and chosen[-1] == 29
    assert list(sample_rows(measure_lengths(None, texts[:3]))) == [0, 1, 2]


def test_systems_without_a_model_are_left_out(
    variants: dict[str, list[str]], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    config = RunFolder.at(Path(variants["rnn"][0])).read_config()
    make_run(gone, config, REFERENCES[:COUNT])
    results = compute_results(
        read_variants({"here": variants["rnn"], "gone": [str(gone)]}),
        bootstrap=100,
        maps=1,
        sentences=2,
    )
    assert [each.system for each in results.attention] == ["here"]
    assert any("gone has no model.safetensors" in note for note in results.notes)
    assert results.sentences[0].attention["gone"] is None
