"""The benchmarks of training and translation: they measure what they say, and every script runs."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.benchmarks import TINY, cells, interpreter, load
from helpers.tiny_models import sentences
from mt.config.compose import load_config
from mt.data.batch_order import BatchOrder
from mt.data.prepare import prepare_run
from mt.errors import UsageError


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for side, seed in (("src", 1), ("tgt", 2)):
        (tmp_path / side).write_text(
            "".join(f"{line} {number}\n" for number, line in enumerate(sentences(300, seed))),
            encoding="utf-8",
        )
    return [
        "--src",
        str(tmp_path / "src"),
        "--tgt",
        str(tmp_path / "tgt"),
        "--vocab",
        "300",
        "--folder",
        str(tmp_path / "work"),
    ]


@pytest.mark.slow
def test_training_counts_what_the_batches_hold(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*TINY, *files, "--batch-tokens", "256", "--warm-up", "2", "--steps", "4"]
    load("bench_train").main(
        [
            *arguments,
            "--peer",
            f"joey={sys.executable}",
            "--record",
            str(tmp_path / "record"),
            "optim.lr=1e-4",
        ]
    )
    printed = capsys.readouterr().out
    found = cells(printed)
    assert [*found] == ["mt, fp32"] and found["mt, fp32"]["speed-up of mt"] == "1.00"
    assert "- joey, fp32 did not run: ModuleNotFoundError: No module named 'joeynmt'" in printed
    recorded = json.loads((tmp_path / "record").read_text("utf-8"))
    first = recorded["measured"][0]["results"][0]
    text = [f"data.train.{side}={tmp_path / side}" for side in ("src", "tgt")]
    same = [
        "data.holdout=20",
        "data.train.limit=20000",
        "data.tokenizer.vocab_size=300",
        f"data.cache={tmp_path / 'work' / 'cache'}",
    ]
    data = prepare_run(load_config(["data=files", *text, *same]), lambda line: None)
    order = BatchOrder(data.train, 256, seed=1).epoch(0)[2:6]
    rows = np.concatenate(order)
    assert first["sentences"] == len(rows) and first["target_tokens"] == int(
        data.train[0].tgt_lengths[rows].sum()
    )
    assert (
        first["steps"] == 4
        and 0 < first["seconds"] < 60
        and first["first_step"] > 0.1
        and first["memory"] > 50 << 20
    )
    pairs = [
        json.loads(line)
        for line in (tmp_path / "work" / "pairs.jsonl").read_text("utf-8").splitlines()
    ]
    batches = json.loads((tmp_path / "work" / "batches.json").read_text("utf-8"))
    assert len(pairs) == len(data.train[0]) and batches[2:] == [each.tolist() for each in order]
    assert len(pairs[7][1]) + 1 == data.train[0].tgt_lengths[7]


def test_cost_of_a_token_is_the_cost_of_its_products(tmp_path: Path, files: list[str]) -> None:
    """6 operations per weight and token (2 forward, 4 backward), 12 D per pair of positions."""
    training, contest = load("bench.training"), load("bench.contest")
    own = [
        "data=files",
        *(f"data.train.{side}={tmp_path / side}" for side in ("src", "tgt")),
        "data.holdout=20",
        "model/size=tiny",
    ]
    job = training.Job(tmp_path, torch.device("cpu"), 1, 256, 1, 2)
    work = training.Training(
        job, "transformer", [*own, "data.tokenizer.vocab_size=300"], for_peers=False
    )
    told = work.work(contest.Entry(contest.parse_variant("small=model.dim=64,seed=2"), "fp32"))[
        "overrides"
    ]
    assert told[-2:] == ["model.dim=64", "seed=2"] and "trainer.precision=fp32" in told
    cost, dim, inner, layers, vocab = work.cost, 128, 256, 2, work.vocab
    source, target = cost.source.astype(float), cost.target.astype(float)
    encoder = source * 6 * layers * (4 * dim**2 + 2 * dim * inner) + 12 * layers * dim * source**2
    decoder = (
        target * 6 * (layers * (6 * dim**2 + 2 * dim * inner) + dim * vocab)
        + source * 6 * layers * 2 * dim**2
    )
    attention = 12 * layers * dim * (target**2 + source * target)
    assert cost.flops == pytest.approx(
        (encoder + decoder + attention).sum() / target.sum(), rel=0.01
    )


@pytest.mark.parametrize("peer", ["hf", "eole", "joey"])
def test_peers_train_the_transformer_that_mt_trains(
    peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no other: with them, mt trains theirs, and they refuse what they do not have."""
    chosen = load("bench_train").model("transformer", "tiny", 0, for_peers=True)
    model = dataclasses.asdict(load_config(["auto=false", *chosen]).model)
    load("protocol").require_plain({"model": model})
    model["transformer"]["position"] = "rope"
    work = {"task": "train", "precision": "fp32", "family": "transformer", "model": model}
    (tmp_path / "work.json").write_text(json.dumps(work))
    monkeypatch.setattr("sys.argv", ["script", str(tmp_path / "work.json")])
    script = load(peer)
    with pytest.raises(SystemExit, match=r"not model\.transformer\.position=rope"):
        script.train(work) if peer == "hf" else script.main()


@pytest.mark.parametrize("cpu_time", [False, True])
def test_the_window_leaves_the_warm_up_out(cpu_time: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = load("protocol")
    clock = iter([100.0, 107.0])
    monkeypatch.setattr(
        protocol.time, "process_time" if cpu_time else "perf_counter", lambda: next(clock)
    )
    monkeypatch.setattr(protocol.time, "time", lambda: 50.0)
    window = protocol.Window(
        {"warm_up": 2, "steps": 3, "device": "cpu", "started": 42.0, "cpu_time": cpu_time}
    )
    assert [window.advance(target_tokens=10**step) for step in range(5)] == [False] * 4 + [True]
    result = window.result("it", 7)
    assert (
        result["target_tokens"],
        result["seconds"],
        result["first_step"],
        result["weights"],
    ) == (11100, 7.0, 8.0, 7)


def test_peers_get_padded_batches_and_text_of_pieces(tmp_path: Path) -> None:
    protocol = load("protocol")
    pairs = [[[5, 6], [7]], [[8], [9, 10, 11]]]
    source, inputs, target, counts = protocol.pad_batch(
        {"pad": 0, "bos": 2, "eos": 3}, [1, 0], pairs
    )
    assert (
        source == [[8, 3, 0], [5, 6, 3]]
        and inputs == [[2, 9, 10, 11], [2, 7, 0, 0]]
        and target == [[9, 10, 11, 3], [7, 3, 0, 0]]
    )
    assert counts == {"target_tokens": 6, "sentences": 2, "real": 11, "padded": 14}
    (tmp_path / "pairs").write_text(
        "".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8"
    )
    work = {"folder": str(tmp_path), "pairs": str(tmp_path / "pairs"), "eos": 3, "vocab": 12}
    folder = protocol.write_text(work, ["<pad>", "<unk>", "<s>", "</s>"])
    words = (folder / "vocab").read_text("utf-8").split()
    lines = [line.split() for line in (folder / "train.tgt").read_text("utf-8").splitlines()]
    assert len(words) == 12 and [[words.index(word) for word in line] for line in lines] == [
        [7],
        [9, 10, 11],
    ]
    assert protocol.length_sorted_batches([[1], [1, 2, 3], [1, 2]], 2) == [[1, 2], [0]]


@pytest.mark.parametrize(
    "make, text, expected",
    [
        (
            "variant",
            "a=optim=muon,attention=[luong,local_p],trainer.threads=1",
            ("optim=muon", "attention=[luong,local_p]", "trainer.threads=1"),
        ),
        ("variant", "muon", "name=override"),
        ("variant", "a=checkout=/nowhere", "not a checkout"),
        ("peer", f"hf+eager+malloc={sys.executable}", ("eager", "malloc")),
        ("peer", "marian=python3", "one of"),
        ("peer", "hf=/no/python", "no program"),
        ("peer", "hf", "NAME=PYTHON"),
    ],
)
def test_contestants_are_parsed_or_refused(make: str, text: str, expected: Any) -> None:
    contest = load("bench.contest")
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            getattr(contest, f"parse_{make}")(text)
        return
    found = getattr(contest, f"parse_{make}")(text)
    assert (found.overrides if make == "variant" else found.options) == expected


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = load("bench.contest")
    entries = contest.build_entries(
        [f"hf={sys.executable}", f"ct2+int8={sys.executable}"], [], ["bf16", "fp32"]
    )
    assert [entry.name for entry in entries] == [
        "mt, bf16",
        "hf, bf16",
        "mt, fp32",
        "hf, fp32",
        "ct2+int8, fp32",
    ]
    asked = []

    def run_contestant(contestant: Any, work: dict[str, Any]) -> dict[str, Any]:
        asked.append(contestant.name)
        if contestant.name == "ct2+int8":
            raise RuntimeError("no")
        return {"speed": len(asked)}

    monkeypatch.setattr(contest, "run_contestant", run_contestant)
    contest.run_contest(entries, lambda entry: {}, 2)
    assert (
        asked == ["mt", "hf", "mt", "hf", "ct2+int8", "mt", "hf", "mt", "hf"]
        and entries[-1].failure == "no"
    )
    ratios = load("bench.report").ratios
    assert ratios(entries[3], entries, lambda result: result["speed"]) == [3 / 4, 8 / 9]
    with pytest.raises(UsageError, match="different names"):
        contest.build_entries([], ["mt="], ["fp32"])


def test_made_up_text_that_was_interrupted_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = load("bench.texts")
    whole = [path.read_bytes() for path in texts.write_synthetic(tmp_path / "whole", 5)]
    with monkeypatch.context() as patch:
        patch.setattr(texts, "sentences", lambda *_: iter([("a", "b"), ("c",)]))  # the second fails
        with pytest.raises(ValueError, match="not enough values"):
            texts.write_synthetic(tmp_path / "part", 5)
    assert [path.read_bytes() for path in texts.write_synthetic(tmp_path / "part", 5)] == whole


@pytest.mark.parametrize("script", ["bench_export", "bench_translate"])
def test_a_text_needs_both_sides(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The references of the test set are not those of another text."""
    given = ["--run"] * (script == "bench_translate")
    monkeypatch.setattr("sys.argv", ["script", *given, str(tmp_path), "--src", "some.en"])
    with pytest.raises(SystemExit):
        load(script).main()
    assert "--src and --ref must be given together" in capsys.readouterr().err


@pytest.mark.parametrize(
    "script, arguments, message",
    [
        ("bench_attention", ["--side", "both"], "invalid choice: 'both'"),
        ("bench_attention", ["--patterns", "wide"], "invalid choice: 'wide'"),
        ("bench_export", ["no-such-run"], "error: no such file: no-such-run"),
        ("bench_serve", ["--help"], "the time from the start of a server"),
    ],
)
def test_scripts_say_what_is_wrong_and_what_their_flags_mean(
    script: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load(script).main(arguments)
    printed = capsys.readouterr()
    assert message in printed.out + printed.err


def test_made_up_text_has_fixed_lengths_and_repeats(tmp_path: Path) -> None:
    texts = load("bench.texts")
    paths = texts.write_synthetic(tmp_path, 2000)
    source, target = (
        [line.split() for line in path.read_text("utf-8").splitlines()] for path in paths
    )
    before = paths[0].read_bytes()
    paths[0].unlink()
    assert texts.write_synthetic(tmp_path, 2000)[0].read_bytes() == before
    assert (
        len(source) == len(target) == 2000 and 20 <= np.median([len(line) for line in source]) <= 24
    )
    assert 0.88 < sum(map(len, target)) / sum(map(len, source)) < 0.92


@pytest.mark.slow
@pytest.mark.parametrize(
    "peer, package", [("hf", "transformers"), ("joey", "joeynmt"), ("eole", "eole")]
)
def test_peers_train_the_same_model(
    peer: str, package: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *TINY,
        *files,
        "--batch-tokens",
        "256",
        "--warm-up",
        "1",
        "--steps",
        "2",
        "--peer",
        f"{peer}={interpreter(peer, package)}",
    ]
    load("bench_train").main(arguments)
    printed = capsys.readouterr().out
    found = cells(printed)
    assert f"{peer}, fp32" in found, printed
    weights = [float(found[name]["weights"].split()[0]) for name in ("mt, fp32", f"{peer}, fp32")]
    assert weights[0] == pytest.approx(weights[1], abs=0.11)
    if peer == "hf":  # the very batches
        assert found["hf, fp32"]["tokens per step"] == found["mt, fp32"]["tokens per step"]
