"""Run directories as systems: grouping, notes, and runs that cannot be compared."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.comparing import PAIRS, REFERENCES, SOURCES, damaged, make_run
from mt.comparison.inputs import read_files, read_runs, read_variants
from mt.comparison.measures.source_sensitivity import SourceSensitivity
from mt.comparison.results.compute import compute_results, curve_notes, system_results
from mt.comparison.results.provenance import describe_provenance, differing_settings
from mt.comparison.schema.systems import FailedRun, Hardware
from mt.config.compose import load_config
from mt.config.schema import Config, SplitConfig
from mt.data.annotations import Decider
from mt.data.word_counts import save_counts
from mt.errors import MTError, UsageError
from mt.run_files import WORD_COUNTS

# A test set of the embedded corpus would be generated again to find its deciding words.
WITHOUT_CORPUS = "data=files data.train.src=a.en data.train.tgt=a.de".split()
WITHOUT_CORPUS += ["data.src_lang=en", "data.tgt_lang=de"]


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    return {
        family: load_config(["auto=false", f"model={family}", *WITHOUT_CORPUS])
        for family in ("rnn", "transformer")
    }


def test_runs_that_differ_in_their_seed_are_one_system(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    paths = [
        make_run(
            tmp_path / f"{family}-{seed}",
            dataclasses.replace(configs[family], seed=seed, name=f"{family}-{seed}"),
            damaged(seed + 2),
        )
        for seed in (1, 2)
        for family in ("rnn", "transformer")
    ]
    found = read_runs(paths)
    assert [(s.name, [r.seed for r in s.runs]) for s in found.systems] == [
        ("rnn-1", [1, 2]),
        ("transformer-1", [1, 2]),
    ]
    assert (
        found.tests[0].hypotheses["rnn-1"] == [damaged(3), damaged(4)]
        and found.lang == "de"
        and found.notes == []
    )
    assert (found.tests[0].sources, found.tests[0].references) == (SOURCES, REFERENCES)


def test_another_budget_is_another_system(tmp_path: Path, configs: dict[str, Config]) -> None:
    longer = dataclasses.replace(
        configs["rnn"], seed=2, trainer=dataclasses.replace(configs["rnn"].trainer, max_steps=9)
    )
    paths = [
        make_run(tmp_path / "a", configs["rnn"], REFERENCES),
        make_run(tmp_path / "b", longer, REFERENCES),
    ]
    assert [system.name for system in read_runs(paths).systems] == ["a", "b"]


def test_unequal_runs_and_repeated_seeds_are_noted(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    paths = [make_run(tmp_path / str(i), configs["rnn"], REFERENCES) for i in range(3)]
    unequal, copies = read_variants({"a": paths[:2], "b": paths[2:], "c": []}).notes
    assert (
        "unequal numbers of runs (a 2, b 1)" in unequal
        and "a has several runs with seed 1" in copies
    )
    with pytest.raises(UsageError, match="named twice"):
        read_runs([paths[0], f"{tmp_path}/../{tmp_path.name}/0"])
    with pytest.raises(MTError, match="no finished run"):
        read_variants({"a": []})


def test_runs_that_cannot_be_compared_are_refused(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    one = make_run(tmp_path / "one", configs["rnn"], REFERENCES)
    two = make_run(tmp_path / "two", configs["transformer"], REFERENCES)
    (tmp_path / "two" / "test.sources.txt").write_text("something else\n" * len(SOURCES))
    with pytest.raises(MTError, match="tested on different text.*hyp="):
        read_runs([one, two])
    with (
        FileLock(tmp_path / "two" / ".lock"),
        pytest.raises(MTError, match="two is being trained: wait"),
    ):
        read_runs([one, two])
    (tmp_path / "two" / "test.hypotheses.txt").write_text("too few\n")
    (tmp_path / "two" / "test.sources.txt").write_text(
        (tmp_path / "one" / "test.sources.txt").read_text("utf-8"), encoding="utf-8"
    )
    with pytest.raises(MTError, match="120 lines but .*two has 1"):
        read_runs([one, two])
    (tmp_path / "two" / "test.hypotheses.txt").unlink()
    with pytest.raises(MTError, match="has no test yet.*start the same mt-train command again"):
        read_runs([one, two])
    with pytest.raises(MTError, match="nowhere"):
        read_runs([str(tmp_path / "nowhere")])


def test_trials_that_match_a_pattern_are_left_out(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    untested = dataclasses.replace(
        configs["rnn"], trainer=dataclasses.replace(configs["rnn"].trainer, test=False)
    )
    run = make_run(tmp_path / "run", configs["rnn"], REFERENCES)
    trials = [make_run(tmp_path / f"trial-{i}", untested, REFERENCES) for i in range(2)]
    assert len(read_runs([f"{tmp_path}/*"]).systems[0].runs) == 3, "they were tested later"
    for trial in trials:
        (Path(trial) / "test.hypotheses.txt").unlink()
    found = read_runs([f"{tmp_path}/*"])
    assert [each.path for system in found.systems for each in system.runs] == [run]
    assert found.notes[0].startswith("left out: 2 that match the pattern and have no test")
    with pytest.raises(UsageError, match="trial-\\* has a test: left out: 2"):
        read_runs([f"{tmp_path}/trial-*"])
    with pytest.raises(MTError, match="trial-0 has no test, for which trainer.test=false"):
        read_runs([run, trials[0]])


def test_a_run_that_was_tested_on_the_first_pairs_only_is_compared_on_these(
    tmp_path: Path, configs: dict[str, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So mt-train tests a model that is not trained."""
    whole = make_run(tmp_path / "whole", configs["rnn"], REFERENCES)
    short = make_run(tmp_path / "short", configs["transformer"], REFERENCES[::-1])
    for name in ("sources", "references", "hypotheses"):
        file = Path(short) / f"test.{name}.txt"
        file.write_text("".join(file.read_text("utf-8").splitlines(True)[:20]), encoding="utf-8")
    with pytest.raises(MTError, match="tested on different text"):  # of another length
        read_runs([whole, short])
    monkeypatch.setattr("mt.comparison.inputs.PROBE_PAIRS", 20)
    inputs = read_runs([whole, short])
    (test,) = inputs.tests
    assert test.references == REFERENCES[:20] and len(test.sources or []) == 20
    assert test.hypotheses == {"whole": [REFERENCES[:20]], "short": [REFERENCES[::-1][:20]]}
    note = f"{short}: not trained, and so tested on the first 20 of 120 pairs only; all systems"
    assert inputs.notes[0].startswith(note)
    assert read_runs([whole]).notes == []


def test_a_system_without_files_is_refused() -> None:
    with pytest.raises(UsageError, match="system b has no file"):
        read_files({"a": "x", "b": []}, "ref")


def test_systems_with_too_few_validations_are_noted(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    points = [(100, 10.0), (500, 20.0), (1000, 30.0)]
    paths = {
        name: [make_run(tmp_path / name, configs[name], REFERENCES, points[:k])]
        for name, k in (("rnn", 3), ("transformer", 2))
    }
    systems = system_results(
        read_variants(paths).systems, {name: SourceSensitivity(50, 0) for name in paths}
    )
    for each in systems:
        each.parameters = 5
    assert [note.split(" has ")[0] for note in curve_notes(systems)] == ["transformer"]


def test_differing_settings_leave_out_names_and_seeds(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    paths = {
        name: [
            make_run(tmp_path / name, dataclasses.replace(config, seed=9, name=name), REFERENCES)
        ]
        for name, config in configs.items()
    }
    settings = differing_settings(read_variants(paths).systems)
    assert (
        settings["rnn"]["model.decoder"] == "rnn"
        and settings["transformer"]["model.decoder"] == "transformer"
    )
    assert not {"seed", "name", "data.name"} & settings["rnn"].keys()


def test_settings_of_another_model_family_are_left_out(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    configs["rnn"].model.transformer.ff_dim, configs["rnn"].model.rnn.hidden = 7, 9
    paths = {
        name: [make_run(tmp_path / name, dataclasses.replace(config, name=name), REFERENCES)]
        for name, config in configs.items()
    }
    settings = differing_settings(read_variants(paths).systems)
    keys = ("model.transformer.ff_dim", "model.rnn.hidden")
    assert [[key in settings[name] for key in keys] for name in ("rnn", "transformer")] == [
        [False, True],
        [True, False],
    ]


def test_a_comparison_of_runs_describes_them(tmp_path: Path, configs: dict[str, Config]) -> None:
    rising = [(100, 10.0), (500, 20.0), (800, 25.0), (1000, 26.0)]
    paths = {
        "slow": [make_run(tmp_path / "slow", configs["rnn"], damaged(3), rising)],
        "done": [make_run(tmp_path / "done", configs["rnn"], REFERENCES)],
    }
    for side, name in WORD_COUNTS.items():
        words = {"die": 1500, "Katze": 3} if side == "tgt" else {"the": 1500}
        save_counts(tmp_path / "slow" / name, words)
    (tmp_path / "slow" / "environment.json").write_text(
        json.dumps({"starts": [{"device": "a GPU", "cpus": 8, "platform": "Linux"}]})
    )
    (tmp_path / "done" / "environment.json").write_text(
        json.dumps({"starts": [{"device": "cpu", "cpus": 8, "platform": "Linux"}]})
    )
    lost = FailedRun("slow", 2, "x", "no memory")
    results = compute_results(
        read_variants(paths),
        "done",
        bootstrap=100,
        title="T",
        question="Q?",
        command=["mt-compare", "x"],
        failed=[lost],
    )
    slow, done = results.systems
    assert (slow.still_improving, done.still_improving) == (True, False)
    assert (
        slow.runs[0].minutes_to_bleu["20"] == 5
        and slow.runs[0].curve[1].minutes == 5
        and done.runs[0].curve == []
    )
    assert slow.cost is None and slow.parameters is None
    assert (results.title, results.question, results.failed) == ("T", "Q?", [lost])
    assert results.provenance.hardware == Hardware("a GPU, cpu", 8, "Linux")
    assert any("different devices (a GPU, cpu)" in note for note in results.notes)
    assert not any("different versions" in note for note in results.notes)
    bands = results.words[1].bands
    assert [band.label for band in bands] == [
        "0",
        "1",
        "2-4",
        "5-9",
        "10-99",
        "100-999",
        "1000+",
    ]
    assert (
        bands[-1].words == sum(line.split().count("die") for line in REFERENCES)
        and bands[-1].recall.value == 100
    )
    assert results.attention == [] and any(
        "slow has no model.safetensors" in note for note in results.notes
    )


def test_constructions_of_a_run_are_those_that_its_test_stored(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    path = make_run(tmp_path / "a", configs["rnn"], REFERENCES)
    assert read_runs([path]).tests[0].constructions is None  # its corpus has no labels
    labels = ["present" if i % 2 else "" for i in range(len(SOURCES))]
    (tmp_path / "a" / "test.constructions.txt").write_text("\n".join(labels) + "\n", "utf-8")
    found = read_runs([path])
    assert found.tests[0].constructions == [label.split() for label in labels]
    (result,) = compute_results(found, bootstrap=100).tests[0].constructions
    assert (result.group.label, result.group.sentences) == ("present", len(SOURCES) // 2)


@pytest.mark.medium
def test_deciding_words_that_a_run_does_not_have_come_from_the_corpus(
    tmp_path: Path, configs: dict[str, Config]
) -> None:
    test = SplitConfig(demo=len(SOURCES))
    data = dataclasses.replace(configs["rnn"].data, train=SplitConfig(demo=9), test=test)
    path = make_run(tmp_path / "a", dataclasses.replace(configs["rnn"], data=data), REFERENCES)
    found = read_runs([path]).tests[0]
    assert found.deciders == [list(pair.deciders) for pair in PAIRS]
    (tmp_path / "a" / "test.deciders.txt").write_text("verb:0-1\n" * len(SOURCES), "utf-8")
    found = read_runs([path]).tests[0]
    assert found.deciders == [[Decider(0, 1, "verb")]] * len(SOURCES)
    (tmp_path / "a" / "test.deciders.txt").unlink()
    other = [f"Other {source}" for source in SOURCES]
    (tmp_path / "a" / "test.sources.txt").write_text("\n".join(other) + "\n", "utf-8")
    assert read_runs([path]).tests[0].deciders is None  # it was another corpus


def test_runs_of_different_versions_of_mt_have_a_note(
    tmp_path: Path, configs: dict[str, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [make_run(tmp_path / name, configs[name], REFERENCES) for name in configs]
    systems = read_runs(paths).systems
    installed = {"commit": None, "versions": {"mt-attention": "0.2.0"}}
    damaged_starts = [{"commit": "0123456789"}, {"versions": 5}, {"versions": {"mt-attention": []}}]
    for starts, commit, found in (
        ([{"commit": "0123456789"}, {"commit": "abcdef0123"}], "0123456789", "0123456, abcdef0"),
        ([installed], "0123456789", "0.2.0, 0123456"),
        (damaged_starts, "0123456789", ""),
    ):
        text = json.dumps({"starts": starts})
        (tmp_path / "rnn" / "environment.json").write_text(text, encoding="utf-8")
        monkeypatch.setattr(
            "mt.comparison.results.provenance.git_commit", lambda commit=commit: commit
        )
        _, notes = describe_provenance(systems, [], "", [])
        assert [note for note in notes if "different versions" in note] == [
            f"different versions of mt ({found}) trained the runs and made this report: a change "
            "between them may be the reason of a difference"
        ] * bool(found)
