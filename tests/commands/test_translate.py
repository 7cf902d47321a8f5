"""Text in, text out: the contract of the command and of `mt.load`, with a small untrained model; search on real models."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch

import mt
from helpers.calls import call
from helpers.tiny_models import liven, save_run, sentences, tiny_model
from mt import evaluate
from mt.arguments.translate import build_parser
from mt.config.schema import TokenizerConfig
from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS
from mt.decoding import line_chunks
from mt.decoding import translator as translator_module
from mt.decoding.engines import engine as engine_module
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.decoding.search import search
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.models.seq2seq import Seq2Seq

FAMILIES = [
    (encoder, decoder) for encoder in ("transformer", "rnn") for decoder in ("transformer", "rnn")
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The models are tiny: threads only cost time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Search on real models


def recomputed_beam(
    model: Seq2Seq, source: list[int], limit: int, beam: int
) -> list[tuple[list[int], float]]:
    """Beam search for one sentence without any state: every prefix is run through the model from its beginning."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, float, list[int]]] = []
    for length in range(1, limit + 1):
        batch = make_batch([source] * len(live), [()] * len(live))
        prefixes = torch.tensor([[BOS, *tokens] for _, tokens in live])
        steps = (
            model.output(model(batch.source, batch.source_mask, prefixes).hidden[:, -1])
            .log_softmax(-1)
            .tolist()
        )
        candidates = [
            (log_prob + step[token], [*tokens, token])
            for (log_prob, tokens), step in zip(live, steps, strict=True)
            for token in range(EOS, len(step))
        ]
        candidates.sort(key=lambda candidate: -candidate[0])
        for log_prob, tokens in candidates[:beam]:
            if tokens[-1] == EOS or length == limit:
                finished.append((log_prob / length, log_prob, tokens))
        finished = sorted(finished, key=lambda entry: -entry[0])[:beam]
        live = [candidate for candidate in candidates if candidate[1][-1] != EOS][:beam]
        if len(finished) == beam and finished[-1][0] >= live[0][0] / length:
            break
    return [
        ([token for token in tokens if token != EOS], log_prob) for _, log_prob, tokens in finished
    ]


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
@torch.no_grad()
def test_cached_beam_is_the_recomputed_beam(encoder: str, decoder: str) -> None:
    model = liven(tiny_model(40, encoder, decoder))
    choose = random.Random(1)
    sources = [choose.choices(range(4, 40), k=length) for length in (1, 4, 9, 2, 14)]
    batch = make_batch(sources, [()] * len(sources))
    lengths = set()
    for beam in (1, 4):
        options = SearchOptions(beam=beam, nbest=beam, max_ratio=1.0, max_extra=4)
        for source, found in zip(
            sources, search(model, batch.source, batch.source_mask, options), strict=True
        ):
            expected = recomputed_beam(model, source, len(source) + 1 + 4, beam)
            assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
            assert [h.log_prob for h in found] == pytest.approx(
                [log_prob for _, log_prob in expected], abs=1e-3
            )
            lengths.update(len(h.tokens) for h in found)
    assert len(lengths) > 2  # they do not all run into the limit


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
def test_the_reported_score_is_that_of_teacher_forcing(
    encoder: str, decoder: str, tokenizer: Tokenizer
) -> None:
    model = liven(tiny_model(tokenizer.vocab_size(), encoder, decoder))
    options = SearchOptions(beam=3, nbest=3, max_ratio=0.5)
    sources = [tokenizer.encode(line) for line in sentences(8)]
    batch = make_batch(sources, [()] * 8)
    for source, hypotheses in zip(
        sources, search(model, batch.source, batch.source_mask, options), strict=True
    ):
        assert len(hypotheses) == 3
        for h in hypotheses:
            forced = make_batch([source], [h.tokens])
            with torch.no_grad():
                log_probs = model.output(
                    model(forced.source, forced.source_mask, forced.target_input).hidden
                ).log_softmax(-1)
            total = sum(
                float(log_probs[0, t, token])
                for t, token in enumerate([*h.tokens, EOS][: h.length])
            )
            assert h.log_prob == pytest.approx(total, abs=1e-3)
            assert h.score == pytest.approx(total / h.length, abs=1e-3)


def test_scoring_pairs_agrees_with_the_translations(translator: Translator) -> None:
    lines = sentences(20)
    found = translator.translate_nbest(lines, 1, min_length=3, beam=1)
    # Only texts whose usual segmentation is what the model produced can be compared.
    same = [
        (each.source, each.outputs[0])
        for each in found
        if each.outputs[0].complete
        and len(translator.tokenizer.encode(each.text, "tgt")) + 1 == each.outputs[0].tokens
    ]
    scores = translator.score([(source, output.text) for source, output in same])
    alone = [translator.score([(source, output.text)])[0] for source, output in same]
    assert [s.log_prob for s in scores] == pytest.approx([s.log_prob for s in alone], abs=1e-3)
    assert [s.tokens for s in scores] == [output.tokens for _, output in same]


# The contract


AWKWARD = [
    b"the cat sees a dog .",
    b"",
    b"   \t ",
    b"the cat\r",
    b"\xff\xfe broken \x80 bytes",
    b"nul \x00 inside",
    "line\u2028separator\u2029and\x85next\x0bline\x0cfeed\x1c.".encode(),
    "emoji \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea".encode(),
    "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c50\u1c51 \U00012000".encode(),
    b"x" * 100_000,
    ("\u732b" * 3000).encode(),
    ("e\u0301" * 500).encode(),
    b"the cat sees the dog . " * 100,
    b"\r",
    "\ufeffthe cat".encode(),
    "\u00a0\u3000".encode(),
    b"last",
]


SHORT = (
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
    "--beam",
    "2",
    "--max-ratio",
    "0.3",
    "--max-extra",
    "3",
)


def translate_bytes(run: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mt.translate", str(run), *SHORT],
        input=data,
        capture_output=True,
        timeout=100,
        env={"LC_ALL": "C", "PYTHONPATH": str(Path(mt.__file__).parent.parent)},
    )


def test_n_lines_in_n_lines_out(run: Path, monkeypatch, capsys) -> None:
    result = translate_bytes(run, b"\n".join(AWKWARD))
    assert result.returncode == 0, result.stderr.decode()
    text = result.stdout.decode("utf-8")
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert len(lines) == len(AWKWARD) == len(text.splitlines())  # splitlines knows all separators
    blank = [
        index for index, line in enumerate(AWKWARD) if not line.decode("utf-8", "replace").strip()
    ]
    assert blank == [1, 2, 13, 15]
    assert all(lines[index] == "" for index in blank)
    log = result.stderr.decode()
    assert "lines with invalid UTF-8 (replaced by U+FFFD): 1" in log
    assert "lines with NUL characters (removed): 1" in log
    assert "(split, translated in parts, joined): 4" in log
    assert "cut off at the maximum length" in log
    code, out, err = call(
        monkeypatch, capsys, str(run), *SHORT, "--quiet", stdin=b"\n".join(AWKWARD[:9]) + b"\n"
    )
    assert (code, out.split("\n"), err) == (0, [*lines[:9], ""], "")


def test_bytes_that_spell_line_separators_do_not_break_lines(
    translator: Translator, tokenizer: Tokenizer
) -> None:
    for separator in (
        "\n",
        "\r",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
        "\x00",
    ):
        pieces = tokenizer.encode(f"cat{separator}dog", "tgt")
        hypothesis = translator_module.Hypothesis(pieces, -1.0, -1.0, True)
        text = translator._build_outputs([[hypothesis]], SearchOptions())[0].text
        assert text in ("cat dog", "catdog")
        assert len(text.splitlines()) == 1


def test_sentences_files_and_standard_input_give_the_same(
    run, translator, monkeypatch, capsys, tmp_path
) -> None:
    lines = sentences(3)
    expected = translator.translate(lines)
    assert translator.translate(lines[0]) == expected[0]
    assert [str(type(each)) for each in expected] == ["<class 'str'>"] * 3
    text = "".join(f"{line}\n" for line in expected)
    device = ("--device", "cpu", "--precision", "fp32")
    assert call(monkeypatch, capsys, run, *device, *lines)[:2] == (0, text)
    assert call(monkeypatch, capsys, run, lines[0], *device, lines[1], "--beam", "5", lines[2])[
        :2
    ] == (0, text)
    data = "\n".join(lines).encode()
    assert call(monkeypatch, capsys, run, *device, stdin=data)[:2] == (0, text)
    assert call(monkeypatch, capsys, run, *device, "--stream", stdin=data)[:2] == (0, text)
    source, output = tmp_path / "in, put.txt", tmp_path / "out=put.txt"
    source.write_bytes(data)
    assert call(monkeypatch, capsys, run, *device, "--input", source, "--output", output)[:2] == (
        0,
        "",
    )
    assert output.read_text("utf-8") == text
    assert list(tmp_path.glob("*.part")) == []
    assert call(monkeypatch, capsys, run, *device, stdin=b"")[:2] == (0, "")


def test_every_format_shows_the_same_translations_and_scores(
    run, translator, monkeypatch, capsys, tmp_path
) -> None:
    lines = [*sentences(2), "", "\u2028 x \x85"]
    found = translator.translate_nbest(lines, 3)
    data = "\n".join(lines).encode()
    flags = (run, "--device", "cpu", "--precision", "fp32")
    code, out, _ = call(monkeypatch, capsys, *flags, "--nbest", "3", stdin=data)
    parsed = [line.split(" ||| ") for line in out.splitlines()]
    assert code == 0
    assert [(int(i), text) for i, text, _ in parsed] == [
        (i, o.text) for i, each in enumerate(found) for o in each.outputs
    ]
    assert [float(score) for _, _, score in parsed] == pytest.approx(
        [o.score for each in found for o in each.outputs], abs=1e-4
    )
    assert all(
        each.outputs == sorted(each.outputs, key=lambda output: -output.score) for each in found
    )
    _, out, _ = call(monkeypatch, capsys, *flags, "--scores", stdin=data)
    assert [line.partition("\t")[2] for line in out.split("\n")[:-1]] == [
        each.text for each in found
    ]
    _, out, _ = call(monkeypatch, capsys, *flags, "--format", "jsonl", "--nbest", "3", stdin=data)
    records = [json.loads(line) for line in out.splitlines()]
    assert [(r["index"], r["source"], r["text"], r["complete"]) for r in records] == [
        (i, each.source, each.text, each.outputs[0].complete) for i, each in enumerate(found)
    ]
    assert [len(r["nbest"]) for r in records] == [len(each.outputs) for each in found]
    reference = tmp_path / "ref.txt"
    reference.write_text("a cat\n\nb\nc\n", encoding="utf-8")
    code, out, _ = call(monkeypatch, capsys, *flags, "--score", reference, stdin=data)
    scores = translator.score(zip(lines, ["a cat", "", "b", "c"], strict=True))
    assert code == 0
    assert [float(line) for line in out.splitlines()] == pytest.approx(
        [score.log_prob for score in scores], abs=1e-3
    )
    for text in ("one\n", "1\n2\n3\n4\n5\n"):
        reference.write_text(text, encoding="utf-8")
        code, _, err = call(monkeypatch, capsys, *flags, "--score", reference, stdin=data)
        assert code == 1 and "the numbers must be equal" in err


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--nbest", "9"], 2, "raise beam"),
        (["--beam", "0"], 2, "beam"),
        (["--top-k", "3"], 2, "sampling"),
        (["--batch-tokens", "0"], 2, "batch_tokens"),
        (["--threads", "-1"], 2, "threads"),
        (["--beam", "x"], 2, "invalid int"),
        (["x", "--input", "y"], 2, "not both"),
        (["--score", "r", "--nbest", "2"], 2, "--score"),
        (["--input", "/nowhere/in.txt"], 1, "no such file: /nowhere/in.txt"),
        (["x", "--output", "/nowhere/o"], 1, "cannot write /nowhere/o"),
        (["--input", "."], 1, "is a folder"),
        (["--ensemble", "/nowhere"], 1, "/nowhere"),
    ],
)
def test_wrong_calls_end_with_one_clear_line(
    flags, code, message, run, monkeypatch, capsys
) -> None:
    found, out, err = call(monkeypatch, capsys, run, "--device", "cpu", *flags)
    assert (found, out) == (code, "")
    assert message in err.splitlines()[-1] and "Traceback" not in err


def test_the_same_line_alone_and_in_company(translator: Translator) -> None:
    lines = [*sentences(40, seed=3), "", *sentences(5, seed=3)]
    together = translator.translate(lines)
    assert together == [translator.translate(line) for line in lines]
    assert together == [
        each.text for each in translator.translate_stream(iter(lines), chunk_size=7)
    ]
    assert together[:5] == together[-5:]
    assert len(set(together)) > 10


def test_a_stream_answers_before_it_reads_on_and_holds_a_window_only(
    translator: Translator,
) -> None:
    read = []

    def endless():
        while True:
            read.append(None)
            yield "the cat sees"

    stream = translator.translate_stream(endless(), chunk_size=1)
    for count in (1, 2, 3):
        next(stream)
        assert len(read) == count
    stream = translator.translate_stream((f"{'x' * 100}" for _ in endless()), chunk_size=50, beam=1)
    before = len(read)
    next(stream)
    assert len(read) - before == 50


def test_windows_are_bounded_in_characters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_chunks, "MAX_CHUNK_CHARS", 10)
    assert list(line_chunks.split_into_chunks(["aaaa"] * 5 + ["b"], 4)) == [
        ["aaaa"] * 3,
        ["aaaa", "aaaa", "b"],
    ]


def test_out_of_memory_halves_the_batch(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, warnings, sizes = sentences(40), [], []
    expected = translator.translate(lines)
    small = Translator(
        translator.models,
        translator.tokenizer,
        max_pieces=40,
        precision="fp32",
        batch_tokens=10_000,
        warn=warnings.append,
    )
    real = engine_module.search

    def limited(model, source, *rest):
        sizes.append(len(source))
        if len(source) > capacity:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return real(model, source, *rest)

    monkeypatch.setattr(engine_module, "search", limited)
    capacity = 7
    assert small.translate(lines) == expected
    assert sizes[0] == 40 and sum(size for size in sizes if size <= 7) == 40
    assert warnings and all("--batch-tokens" in warning for warning in warnings)
    seen = len(warnings)
    assert small.translate(lines[:20]) == expected[:20]
    assert len(warnings) == seen  # it has learnt
    capacity = 0
    with pytest.raises(MTError, match="single sentence"):
        small.translate(lines[:1])

    def broken(*_):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(engine_module, "search", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        small.translate(lines)


def test_an_ensemble_averages_probabilities_and_needs_one_vocabulary(
    run: Path, translator: Translator, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    other = save_run(tmp_path / "other", tokenizer, seed=1, encoder="rnn")
    lines = sentences(10)
    alone = [each.outputs[0] for each in translator.translate_nbest(lines, 1)]
    twice = [
        each.outputs[0]
        for each in mt.load([run, run], device="cpu", precision="fp32").translate_nbest(lines, 1)
    ]
    assert [o.text for o in twice] == [o.text for o in alone]
    assert [o.log_prob for o in twice] == pytest.approx([o.log_prob for o in alone], abs=1e-3)
    both = mt.load([run, other], device="cpu", precision="fp32")
    assert both.translate(lines) != [o.text for o in alone]
    one, two, mean = (
        torch.tensor([score.log_prob for score in each.score([("cat", "a"), ("dog", "")])])
        for each in (translator, mt.load(other, device="cpu", precision="fp32"), both)
    )
    assert mean[1] == pytest.approx(
        float(torch.stack([one[1], two[1]]).exp().mean().log()), abs=1e-4
    )  # "" is one step: EOS
    lines = sentences(300, seed=9)
    foreign = Tokenizer.train(
        lambda: lines, lambda: lines, TokenizerConfig(type="bpe", vocab_size=320)
    )
    with pytest.raises(MTError, match="different vocabularies"):
        mt.load([run, save_run(tmp_path / "foreign", foreign)], device="cpu")
    with pytest.raises(UsageError):
        mt.load([])


def test_a_seed_repeats_samples(translator: Translator) -> None:
    lines = sentences(5)
    one, same, other = (translator.translate(lines, sample=True, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


def test_flags_have_the_defaults_of_the_library() -> None:
    """mt-evaluate writes them a second time."""
    flags = build_parser()
    assert {field.name: flags.get_default(field.name) for field in fields(SearchOptions)} == asdict(
        SearchOptions()
    )
    assert flags.get_default("batch_tokens") == BATCH_TOKENS == evaluate.BATCH_TOKENS
    assert SearchOptions().beam == evaluate.BEAM


def test_a_long_line_is_the_translation_of_its_parts(translator: Translator) -> None:
    line = "The cat sees the dog . The house is red . " * 6
    parts = ["The cat sees the dog .", "The house is red ."] * 6
    before = translator.counts["split"]
    assert translator.translate(line) == " ".join(translator.translate(parts))
    assert translator.counts["split"] == before + 1
