"""Dual conditional cross-entropy: the scores by hand, selection, and interrupted scoring."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from mt.config.schema import Config
from mt.config.yaml import config_to_yaml
from mt.decoding.scoring import PairScore
from mt.errors import MTError, UsageError
from mt.recipes.filter_pairs import main, score_chunk

PAIRS = [
    ("a good pair", "gut"),
    ("unlikely", "in both directions, but equally"),
    ("likely in", "one direction only"),
    ("", "empty"),
    ("long " * 600, "lang"),
    ("another\u2028good", "pair"),
]
# Log-probability and pieces of the target given the source, and of the source given the target.
FORWARD = {"a good pair": (-2, 2), "unlikely": (-12, 3), "likely in": (-1, 1), "another": (-3, 2)}
BACKWARD = {"gut": (-4, 4), "in both": (-8, 2), "one": (-10, 2), "pair": (-4, 2)}
SCORES = [1.0, 4.0, 4 + 3, math.inf, math.inf, 0.5 + 1.75]


class FakeTranslator:
    def __init__(self, table: dict[str, tuple[float, int]]) -> None:
        self.table, self.calls = table, 0

    def score(self, pairs: list[tuple[str, str]]) -> list[PairScore]:
        self.calls += len(pairs)
        starts = [next(key for key in self.table if source.startswith(key)) for source, _ in pairs]
        return [PairScore(*self.table[start]) for start in starts]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.chdir(tmp_path)
    for side, name in enumerate(("in.src", "in.tgt")):
        Path(name).write_text("".join(pair[side] + "\n" for pair in PAIRS), encoding="utf-8")
    translators = {"fwd": FakeTranslator(FORWARD), "bwd": FakeTranslator(BACKWARD)}
    for name in translators:
        config = Config()
        config.data.reverse = name == "bwd"
        Path(name).mkdir()
        Path(name, "config.yaml").write_text(config_to_yaml(config))
        Path(name, "model.safetensors").write_text(name)
    monkeypatch.setattr("mt.load", lambda path, device: translators[Path(path).name])
    monkeypatch.setattr("mt.recipes.filter_pairs.CHUNK_PAIRS", 2)
    return SimpleNamespace(translators=translators)


def run(*flags: str, runs: str = "fwd bwd") -> None:
    names = "--src in.src --tgt in.tgt --scores scores --out-src out.src --out-tgt out.tgt"
    main([*runs.split(), *names.split(), *flags])


def scores() -> list[float]:
    lines = Path("scores").read_text().splitlines()[1:]
    return [float(line.split("\t")[0]) for line in lines]


def kept() -> list[tuple[str, ...]]:
    sides = (Path(f"out.{side}").read_text("utf-8").split("\n")[:-1] for side in ("src", "tgt"))
    return list(zip(*sides, strict=True))


def test_pairs_are_kept_by_the_formula_of_the_paper(
    work: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--keep", "0.34")
    assert scores() == pytest.approx(SCORES)
    assert kept() == [PAIRS[0], PAIRS[5]]
    assert "kept 2 of 6 pairs, with scores up to 2.250" in capsys.readouterr().err
    run("--keep", "1")  # selects again, without those that have no score
    assert kept() == [PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[5]]
    assert work.translators["fwd"].calls == work.translators["bwd"].calls == 4


def test_an_interrupted_scoring_continues(work: SimpleNamespace) -> None:
    run("--keep", "0.5")
    whole, first = Path("scores").read_bytes(), kept()
    for end in range(whole.index(b"\n") + 1, len(whole), 7):
        Path("scores").write_bytes(whole[:end])
        Path("out.src").unlink()
        run("--keep", "0.5")
        assert Path("scores").read_bytes() == whole and kept() == first
    Path("in.tgt").write_text("changed\n" * len(PAIRS))
    with pytest.raises(MTError, match="scores holds no scores, or those of other text or runs"):
        run("--keep", "0.5")


@pytest.mark.parametrize(
    ("flags", "runs", "message"),
    [
        (["--keep", "0"], "fwd bwd", "--keep must be > 0 and <= 1, got 0"),
        (["--keep", "0.5", "--out-tgt", "in.tgt"], "fwd bwd", "must be different files"),
        (
            ["--keep", "0.5"],
            "fwd fwd",
            "both translate src to tgt: train one of them",
        ),
    ],
)
def test_wrong_usage_is_refused(
    work: SimpleNamespace, flags: list[str], runs: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(*flags, runs=runs)
    assert not Path("scores").exists()


def test_the_scores_are_those_of_the_models(work: SimpleNamespace, translator) -> None:
    pair = ("a b c", "d e")
    (line,) = score_chunk(translator, translator, [pair])
    (forward,), (backward,) = translator.score([pair]), translator.score([pair[::-1]])
    h_forward, h_backward = (-each.log_prob / each.tokens for each in (forward, backward))
    score = abs(h_forward - h_backward) + (h_forward + h_backward) / 2
    assert [float(value) for value in line.split()] == pytest.approx(
        [score, h_forward, h_backward], abs=1e-4
    )
