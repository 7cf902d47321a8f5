"""Run directories as systems: grouping, costs, extra test sets, and runs that cannot be compared."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.comparing import REFERENCES, SOURCES, damaged, make_run
from helpers.tiny_models import save_run
from mt.comparison.inputs import read_files, read_runs, read_variants
from mt.comparison.measures.costs import (
    bleu_levels,
    is_still_improving,
    mean_cost,
    minutes_to_bleu,
    read_cost,
    read_curve,
)
from mt.comparison.measures.source_sensitivity import SourceSensitivity
from mt.comparison.results.compute import compute_results, curve_notes, system_results
from mt.comparison.results.provenance import differing_settings
from mt.comparison.schema.systems import FailedRun, Hardware, ValidationPoint
from mt.comparison.test_sets import read_test_text, with_test_set
from mt.config.compose import load_config
from mt.config.schema import Config
from mt.data.embedded_corpus import generate
from mt.data.tokenizer import Tokenizer
from mt.data.word_counts import save_counts
from mt.errors import MTError, UsageError
from mt.run_folder import WORD_COUNTS, RunFolder


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    return {family: load_config([f"model={family}"]) for family in ("rnn", "transformer")}


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


def test_a_system_without_files_is_refused() -> None:
    with pytest.raises(UsageError, match="system b has no file"):
        read_files({"a": "x", "b": []}, "ref")


# --- curves and costs


def curve(*points: tuple[int, float]) -> list[ValidationPoint]:
    return [ValidationPoint(step, step / 100, None, bleu, None) for step, bleu in points]


def test_records_other_than_validations_are_left_out(tmp_path: Path) -> None:
    record = '{"kind": "val", "step": 5, "minutes": 1.0, "bleu": 2.0, "loss": NaN}'
    (tmp_path / "metrics.jsonl").write_bytes(
        b'5\n{"step": 1}\n{"kind": "val", "step": 3}\n' + record.encode() + b'\n\xe9\n{"kind": "va'
    )
    assert [(each.step, each.bleu, each.loss) for each in read_curve(RunFolder.at(tmp_path))] == [
        (5, 2.0, None)
    ]


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


@pytest.mark.parametrize(
    ("bleus", "expected"),
    [
        ([(100, 10.0), (200, 29.0), (800, 30.0), (1000, 30.2)], False),
        ([(100, 10.0), (500, 20.0), (800, 25.0), (1000, 26.0)], True),
        ([(100, 20.0), (500, 25.0), (800, 22.0), (1000, 25.1)], False),  # it wobbles
        ([(100, 10.0), (500, 20.0)], False),  # too few to tell
    ],
)
def test_a_run_whose_last_validations_rise_is_still_improving(
    bleus: list[tuple[int, float]], expected: bool
) -> None:
    assert is_still_improving(curve(*bleus)) == expected


def test_minutes_to_reach_a_level_of_bleu() -> None:
    slow, fast = (
        curve((100, 2.0), (500, 11.0), (800, 24.0), (1000, 23.0)),
        curve((100, 12.0), (200, 21.0)),
    )
    wanted = bleu_levels([slow, fast])
    assert wanted == [5, 10, 15, 20]
    assert minutes_to_bleu(slow, wanted) == {"5": 5, "10": 5, "15": 8, "20": 8} and minutes_to_bleu(
        slow, [25]
    ) == {"25": None}
    assert (
        bleu_levels([]) == []
        and bleu_levels([curve((1, 0.4))]) == []
        and bleu_levels([curve((1, 3.2))]) == [1, 2, 3]
        and bleu_levels([curve((1, 89.0))])[-1] == 80
    )


def test_the_curve_is_read_from_the_metrics(tmp_path: Path) -> None:
    lines = [
        {"kind": "train", "step": 5, "target_tokens": 700, "minutes": 0.1},
        {"kind": "val", "step": 5, "bleu": 3.0, "loss": 4.0, "minutes": 0.2},
        {"kind": "train", "step": 9, "target_tokens": 1500, "minutes": 0.3},
        {"kind": "val", "step": 9, "bleu": 4.0, "loss": 3.0, "minutes": 0.4, "target_tokens": 1501},
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "\n".join(map(json.dumps, lines)) + '\n{"kind": "va', encoding="utf-8"
    )
    first, second = read_curve(RunFolder.at(tmp_path))
    assert first == ValidationPoint(5, 0.2, 700, 3.0, 4.0) and second.target_tokens == 1501
    assert read_curve(RunFolder.at(tmp_path / "nowhere")) == []


def test_costs_are_read_and_averaged(tmp_path: Path) -> None:
    cost = {
        "parameters": 10,
        "minutes": 2.0,
        "flops": None,
        "device": "cpu",
        "test_sentences": 30,
        "test_seconds": 2.0,
    }
    (tmp_path / "cost.json").write_text(json.dumps(cost))
    one = read_cost(RunFolder.at(tmp_path))
    assert one is not None and one.sentences_per_second == 15
    mean = mean_cost([one, dataclasses.replace(one, minutes=3.0, device="gpu")])
    assert mean == dataclasses.replace(one, minutes=2.5, device=None)
    assert mean_cost([one, None]) is None and read_cost(RunFolder.at(tmp_path / "nowhere")) is None
    (tmp_path / "cost.json").write_text("{")
    with pytest.raises(MTError, match="cost.json"):
        read_cost(RunFolder.at(tmp_path))


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


# --- extra test sets


def test_an_extra_test_set_is_translated_once(tmp_path: Path, tokenizer: Tokenizer) -> None:
    pairs = list(generate("long", 3))
    for side in ("source", "target"):
        (tmp_path / side).write_text(
            "".join(getattr(pair, side)[:40] + "\n" for pair in pairs), encoding="utf-8"
        )
    paths = [str(save_run(tmp_path / name, tokenizer)) for name in ("a", "b")]
    for path in paths:
        config = RunFolder.at(Path(path)).read_config()
        config.data.test.src, config.data.test.tgt = "gone", "gone too"
        config.data.train.demo, config.data.src_lang, config.data.tgt_lang = 10, "en", "de"
        config.name, config.trainer.device, config.trainer.test_beam = Path(path).name, "cpu", 1
        make_run(Path(path), config, REFERENCES)
    tests = {"more": [f"data.test.src={tmp_path}/source", f"data.test.tgt={tmp_path}/target"]}
    said: list[str] = []
    variants = {"a": paths[:1], "b": paths[1:]}
    first = read_variants(variants, tests, said.append)
    assert [test.name for test in first.tests] == ["test", "more"] and sum(
        "translating the test set more" in line for line in said
    ) == 2
    assert (
        first.tests[1].sources == [pair.source[:40] for pair in pairs]
        and first.tests[1].hypotheses["a"] == first.tests[1].hypotheses["b"]
    )
    said.clear()
    assert read_variants(variants, tests, said.append) == first and said == []
    (tmp_path / "source").write_text(
        "".join(pair.source[:30] + "\n" for pair in pairs), encoding="utf-8"
    )
    assert read_variants(variants, tests, said.append).tests[1].sources == [
        pair.source[:30] for pair in pairs
    ]
    assert (
        sum("translating" in line for line in said) == 2
    )  # other text: nothing of before is taken
    said.clear()
    (tmp_path / "b" / "model.safetensors").write_bytes(
        (tmp_path / "a" / "model.safetensors").read_bytes()[:-1]
    )  # another model
    with pytest.raises(MTError, match="b/model.safetensors is damaged"):
        read_variants(variants, tests, said.append)
    assert sum("translating" in line for line in said) == 1
    with pytest.raises(UsageError, match="cannot be called 'test'"):
        read_variants(variants, {"test": []})


def test_test_sets_are_overrides_of_data_test(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").touch()
    config = load_config(["data=demo"])
    changed = with_test_set(
        config, "long", ["data.test.split=long", "data.test.demo=7", "data.test.limit=5"]
    )
    assert (changed.data.test.split, changed.data.test.limit, changed.data.train) == (
        "long",
        5,
        config.data.train,
    )
    text = read_test_text(changed.data, "long")
    assert (
        text.sources == [pair.source for pair in generate("long", 7)][:5]
        and text.links is not None
        and len(text.links) == 5
    )
    with pytest.raises(UsageError, match="made of overrides of data.test"):
        with_test_set(config, "long", ["data.val.split=long"])
    with pytest.raises(UsageError, match="did you mean data.test.split"):
        with_test_set(config, "long", ["data.test.splitt=long"])
    with pytest.raises(MTError, match="the test set none is empty"):
        read_test_text(
            with_test_set(
                config, "none", ["data.test.demo=0", f"data.test.file={tmp_path}/empty.tsv"]
            ).data,
            "none",
        )
