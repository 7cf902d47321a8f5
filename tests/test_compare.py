"""mt-compare: what is a system, what the figures are, what is said about them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import sacrebleu

from mt.compare import help_text, parse, run
from mt.comparison.results import compare
from mt.comparison.systems import Material, Run, System, TestSet, of_files, of_runs
from mt.comparison.tables import markdown
from mt.compose import load_config
from mt.config import Config
from mt.data.demo import generate
from mt.errors import MTError, UsageError
from mt.training.checkpoint import save_config

PAIRS = list(generate("test", 120))
SOURCES, REFERENCES = [p.source for p in PAIRS], [p.target for p in PAIRS]


def damaged(every: int, offset: int = 0) -> list[str]:
    """The references, but every so many sentences only half of one."""
    return [" ".join(line.split()[: len(line.split()) // 2]) if i % every == offset else line for i, line in enumerate(REFERENCES)]


def system_set(**systems: list[list[str]]) -> Material:
    made = [System(name, [Run(f"{name}{i}") for i in range(len(runs))]) for name, runs in systems.items()]
    return Material(made, [TestSet("test", SOURCES, REFERENCES, systems)], "de")


def found(entries: list[dict], system: str, metric: str = "bleu") -> dict:
    return next(entry for entry in entries if (entry["system"], entry["metric"]) == (system, metric))


def test_scores_are_those_of_sacrebleu_and_means_over_runs() -> None:
    runs = [damaged(4), damaged(5)]
    results = compare(system_set(perfect=[REFERENCES], poor=runs), bootstrap=100)
    each = [sacrebleu.corpus_bleu(lines, [REFERENCES]) for lines in runs]
    score = found(results["overall"]["scores"], "poor")
    assert score["values"] == pytest.approx([bleu.score for bleu in each])
    assert score["mean"] == pytest.approx(sum(bleu.score for bleu in each) / 2)
    assert score["brevity_penalty"] == pytest.approx(sum(bleu.bp for bleu in each) / 2)
    assert score["interval"][0] < score["mean"] < score["interval"][1]
    assert found(results["overall"]["scores"], "perfect")["mean"] == pytest.approx(100)
    assert score["precision"] == pytest.approx(score["mean"] / score["brevity_penalty"], rel=0.02)  # it is cut short, not wrong


def test_groups_by_length_are_those_of_the_source() -> None:
    results = compare(system_set(a=[damaged(3)], b=[REFERENCES]), bootstrap=100, edges=[10, 20], threshold=15)
    lengths = [len(source.split()) for source in SOURCES]
    assert [group["sentences"] for group in results["buckets"]] == [
        sum(n <= 10 for n in lengths),
        sum(10 < n <= 20 for n in lengths),
        sum(n > 20 for n in lengths),
    ]
    assert results["short"]["sentences"] == sum(n <= 15 for n in lengths) == 120 - results["long"]["sentences"]
    long = [i for i, n in enumerate(lengths) if n > 15]
    expected = sacrebleu.corpus_bleu([damaged(3)[i] for i in long], [[REFERENCES[i] for i in long]]).score
    assert found(results["long"]["scores"], "a")["mean"] == pytest.approx(expected)


def test_what_is_said_is_what_was_planted() -> None:
    results = compare(system_set(base=[damaged(3)], same=[damaged(3)], worse=[damaged(1)], better=[REFERENCES]), bootstrap=500)
    verdicts = {name: found(results["overall"]["differences"], name)["verdict"] for name in ("same", "worse", "better")}
    assert verdicts == {"same": "not distinguishable", "worse": "worse", "better": "better"}
    assert found(results["overall"]["differences"], "same")["effect"] == 0
    text = markdown(results)
    assert "**better** against base, by BLEU: better (+" in text and "seeds were not tested" in text
    assert json.loads(json.dumps(results)) == json.loads(json.dumps(results, ensure_ascii=False))


def test_seeds_are_part_of_the_interval() -> None:
    alike = compare(system_set(a=[damaged(4), damaged(4)]), bootstrap=200)["overall"]["scores"][0]
    apart = compare(system_set(a=[damaged(2), damaged(40)]), bootstrap=200)["overall"]["scores"][0]
    width = [score["interval"][1] - score["interval"][0] for score in (alike, apart)]
    assert alike["seeds_tested"] and apart["deviation"] > alike["deviation"] == 0 and width[1] > 2 * width[0]


def test_metrics_that_disagree_are_named() -> None:
    results = compare(system_set(a=[damaged(3)], b=[REFERENCES]), bootstrap=100)
    found(results["overall"]["differences"], "b", "chrf")["verdict"] = "worse"
    assert "But chrF2 says the opposite." in markdown(results)


# --- runs ----------------------------------------------------------------------------------------------------------


def make_run(folder: Path, config: Config, hypotheses: list[str], curve: list[tuple[int, float]] = ()) -> str:  # type: ignore[assignment]
    folder.mkdir()
    save_config(folder, config)
    for name, lines in {"sources": SOURCES, "references": REFERENCES, "hypotheses": hypotheses}.items():
        (folder / f"test.{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    records = [{"kind": "val", "step": step, "bleu": bleu} for step, bleu in curve]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    return {family: load_config([f"model={family}"]) for family in ("rnn", "transformer")}


def test_runs_that_differ_in_their_seed_are_one_system(tmp_path: Path, configs: dict[str, Config]) -> None:
    paths = [
        make_run(tmp_path / f"{family}-{seed}", dataclasses.replace(configs[family], seed=seed, name=f"{family}-{seed}"), damaged(seed + 2))
        for seed in (1, 2)
        for family in ("rnn", "transformer")
    ]
    test = of_runs(paths)
    assert [(s.name, [r.seed for r in s.runs]) for s in test.systems] == [("rnn-1", [1, 2]), ("transformer-1", [1, 2])]
    assert test.systems[0].runs[1].hypotheses == damaged(4) and test.lang == "de"
    results = run(parse([f"runs=[{','.join(paths)}]", "baseline=transformer-1", f"out={tmp_path}/out", "bootstrap=100"]))
    assert json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["systems"] == results["systems"]
    assert "| rnn-1 " in (tmp_path / "out" / "report.md").read_text("utf-8")
    assert found(results["overall"]["differences"], "rnn-1")["effect"] == 0


def test_a_run_that_was_not_done_is_marked(tmp_path: Path, configs: dict[str, Config]) -> None:
    done = [(100, 10.0), (200, 29.0), (800, 30.0), (1000, 30.2)]
    rising = [(100, 10.0), (500, 20.0), (800, 25.0), (1000, 26.0)]
    wobbling = [(100, 20.0), (500, 25.0), (800, 22.0), (1000, 25.1)]
    curves = {"done": done, "rising": rising, "wobbling": wobbling, "short": rising[:2]}
    for seed, (name, curve) in enumerate(curves.items()):
        make_run(tmp_path / name, dataclasses.replace(configs["rnn"], seed=seed), REFERENCES, curve)
    test = of_runs([str(tmp_path / name) for name in curves])
    assert [run.unfinished for run in test.systems[0].runs] == [False, True, False, False]
    assert "(still improving)" in markdown(compare(test, bootstrap=100))


def test_runs_that_cannot_be_compared(tmp_path: Path, configs: dict[str, Config]) -> None:
    one = make_run(tmp_path / "one", configs["rnn"], REFERENCES)
    two = make_run(tmp_path / "two", configs["transformer"], REFERENCES)
    (tmp_path / "two" / "test.sources.txt").write_text("something else\n" * len(SOURCES))
    with pytest.raises(MTError, match="tested on different text.*hyp="):
        of_runs([one, two])
    (tmp_path / "two" / "test.hypotheses.txt").unlink()
    with pytest.raises(MTError, match="has no test yet"):
        of_runs([one, two])
    with pytest.raises(MTError, match="nowhere"):
        of_runs([str(tmp_path / "nowhere")])


# --- files and settings --------------------------------------------------------------------------------------------


def test_files_of_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lines in {"ref": REFERENCES, "a": damaged(3), "b": damaged(4), "c": damaged(5), "src": SOURCES}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    p = tmp_path
    results = run(parse([f"hyp={{ours: [{p}/a,{p}/b], theirs: {p}/c}}", f"ref={p}/ref", f"src={p}/src", f"out={p}/out", "bootstrap=100"]))
    assert [len(system["runs"]) for system in results["systems"]] == [2, 1]
    assert results["length"]["by"] == "source"
    assert capsys.readouterr().out in (p / "out" / "report.md").read_text("utf-8")
    (p / "a").write_text("one line\n")
    with pytest.raises(MTError, match="1"):
        of_files({"a": f"{p}/a"}, f"{p}/ref")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs=[a]", "hyp={b: c}"], "give either runs="),
        (["hyp={b: c}"], "hyp needs ref=FILE"),
        (["runs=[a]", "ref=x"], "ref goes with hyp"),
        (["rans=[a]"], "unknown key rans: did you mean runs?"),
        (["+runs=[a]"], "unknown key runs"),
        (["runs=[a", "ref=b"], "quote lists"),
        (["runs=[a]", "bootstrap=many"], "could not be converted to Integer"),
        (["runs=[a]", "bootstrap=50"], "use 100 or more"),
        (["runs=[a]", "edges=[20,10]"], "ascending"),
    ],
)
def test_mistakes_are_named_in_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_baseline_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no system 'c'.*choose one of a, b"):
        compare(system_set(a=[REFERENCES], b=[REFERENCES]), "c", bootstrap=100)


def test_help_names_every_key() -> None:
    assert all(f"\n  {name}" in help_text() for name in ("runs", "hyp", "ref", "src", "baseline", "out", "bootstrap"))
