"""Specifications of comparisons: files, changes by the command line, mistakes."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from mt.compare import run
from mt.comparison.planning.arguments import Request, parse_arguments
from mt.comparison.planning.parameters import count_parameters
from mt.comparison.planning.spec import load_spec
from mt.comparison.planning.spec_files import comparisons
from mt.config.compose import differences, groups, load_config
from mt.config.presets import config_dir
from mt.errors import UsageError


@pytest.mark.medium
@pytest.mark.parametrize("name", comparisons())
def test_bundled_comparisons_compose(name: str) -> None:
    text = (
        ["data=files", "data.tokenizer.vocab_size=4000", "data.train.src=a", "data.train.tgt=b"]
        if name == "real"
        else []
    )
    spec, _ = load_spec(name, {}, text)
    sizes = {}
    for variant, own in spec.variants.items():
        config = load_config([*spec.overrides, *own, *text, *spec.budget.overrides()])
        tokenizer = config.data.tokenizer
        vocabulary = tokenizer.vocab_size or tokenizer.max_vocab_size
        sizes[variant] = count_parameters(config.model, vocabulary, vocabulary)
    for overrides in spec.tests.values():
        load_config([*spec.overrides, *own, *overrides])
    sizes.pop("learned", None)  # its table of positions is what the scheme is
    assert len(spec.question) > 20
    if name != "ladder" and not name.startswith("findings/"):  # which change one thing at a time
        assert max(sizes.values()) / min(sizes.values()) < 1.06
    assert "compare" not in groups()  # no group of mt-train


def test_all_regularisers_are_compared_and_nothing_else_differs() -> None:
    spec, _ = load_spec("regularisers", {}, [])
    configs = {name: load_config([*spec.overrides, *own]) for name, own in spec.variants.items()}
    plain = configs.pop(spec.baseline)
    assert configs.keys() == {path.stem for path in (config_dir() / "regularise").glob("*.yaml")}
    for config in configs.values():
        changed = differences(plain, config)
        assert changed and all(each.name.startswith("regularise.") for each in changed)


def test_neighbours_on_the_ladder_differ_in_one_setting() -> None:
    spec, _ = load_spec("ladder", {}, [])
    configs = [load_config([*spec.overrides, *own]) for own in spec.variants.values()]
    assert [len(differences(one, next_one)) for one, next_one in pairwise(configs)] == [1] * 5


def test_the_command_line_changes_the_file() -> None:
    request = parse_arguments(
        [
            "compare=positions",
            "seeds=2",
            "budget.minutes=1.5",
            "budget.until=budget",
            "baseline=rope",
            "optim.warmup=50",
            "hydra/launcher=basic",
        ]
    )
    assert (request.train, request.launcher) == (["optim.warmup=50"], ["hydra/launcher=basic"])
    spec, notes = load_spec("positions", request.changes, request.train)
    assert spec.seeds == [1, 2] and spec.baseline == "rope" and not notes
    assert asdict(spec.budget) == {
        "minutes": 1.5,
        "steps": 0,
        "target_tokens": 0,
        "flops": 0,
        "until": "budget",
    }  # the file's is in steps
    assert load_spec("default", {"seeds": [4, 7]}, [])[0].seeds == [4, 7]
    changes = parse_arguments(["budget={minutes: 1.5, until: budget}"]).changes
    assert load_spec("positions", changes, [])[0].budget == spec.budget
    # Where a run ends is kept apart from its limit.
    budget = load_spec("precision", {"budget.until": "plateau"}, [])[0].budget
    assert (budget.until, budget.target_tokens) == ("plateau", 600000)
    assert str(budget) == "until its plateau, at most 600,000 target tokens"
    assert "trainer.until=plateau" in budget.overrides()
    own = load_spec(
        "default",
        parse_arguments(["variants={a: ['model=rnn'], b: 'model=transformer'}"]).changes,
        [],
    )[0]
    assert own.variants == {"a": ["model=rnn"], "b": ["model=transformer"]} and own.baseline == "a"
    assert not own.question, "that of the file is about its own variants"


def test_another_corpus_replaces_data_settings_and_tests_of_the_file() -> None:
    spec, notes = load_spec("positions", {}, ["data=multi30k"])
    assert not any(override.startswith("data") for override in spec.overrides) and not spec.tests
    assert "optim.lr=4e-3" in spec.overrides
    assert "data.train.subset=core" in notes[0] and "long" in notes[1]
    assert load_spec("positions", {}, ["data.train.demo=5"])[0].tests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare=defualt"], "no comparison defualt: did you mean default?"),
        (["compare=nowhere.yaml"], "there is no such file"),
        (["baseline=x"], "baseline=x is none of the variants none, bahdanau, luong, transformer"),
        (["seeds=0"], "different ones, such as [1,2,5], got 0"),
        (["seeds=[1,1]"], "got [1, 1]"),
        (["seeds=1,2"], "write a list as seeds='[a,b]'"),
        (["seeds=two"], "seeds must be their number"),
        (["budget.minutes=5", "budget.steps=10"], "has both minutes and steps"),
        (["budget.minutes=0"], "the budget is not set"),
        (["budget.minutes=-1"], "budget.minutes must be finite and > 0, got -1"),
        (["budget.flops=inf"], "budget.flops must be finite and > 0, got inf"),
        (["variants=5"], "variants: Cannot assign int"),
        (["budget.minutes=long"], "the command line: budget.minutes: long is not a number"),
        (["budget.steps=1e3"], "the command line: budget.steps: 1000.0 is not a whole number"),
        (["trials=1e3"], "the command line: trials: 1000.0 is not a whole number"),
        (["budget={steps: 10, minutes: 3}"], "has both minutes and steps"),
        (["budget={steps: 10, steps: 3}"], "has a name twice"),
        (["budget={hours: 10}"], "unknown key budget.hours: set one of budget.minutes"),
        (["budget.hours=1"], "unknown key budget.hours: set one of budget.minutes"),
        (["budget=5"], "budget must be keys such as {steps: 1000}, got 5"),
        (["budget.until=bored"], "budget.until must be budget or plateau, got bored"),
        (["trainer.until=plateau"], "set budget.until"),
        (["trainer.max_steps=5"], "trainer.max_steps would make budgets unequal"),
        (["seed=4"], "unknown key seed: did you mean seeds?"),
        (["variants={a: ['seed=4']}"], "a: seed is chosen by mt-compare: set seeds="),
        (["variants={a: [model=rnn]}"], "quote every setting"),
        (["name=x"], "name is chosen by mt-compare"),
        (["auto=true"], "auto: mt-train would choose settings that differ between variants"),
        (["optim.warmup=auto"], "optim.warmup: mt-train would choose settings that differ"),
        (["experiment=demo"], "experiment=... sets model, data and budget"),
        (["model=rnn,transformer"], "make each of them a variant"),
        (["optim.lrr=1"], "unknown key optim.lrr: did you mean optim.lr?"),
        (["sedes=3"], "unknown key sedes: did you mean seeds?"),
        (["variants={a/b: ['model=rnn']}"], "is no name for a variant"),
        (["variants={a: 5}"], "variants.a must be a list of settings"),
        (["variants={}"], "needs variants"),
        (["tests={test: ['data.test.split=long']}"], "give the extra one another name"),
        (
            ["tests={long: ['data.train.split=long']}"],
            "tests.long: data.train.split is not a setting of data.test.*",
        ),
        (["match_parameters=perhaps"], "match_parameters"),
        (["runs=[a]", "seeds=3"], "seeds is for training, but runs compares existing translations"),
        (["hyp={a: b}", "ref=c", "optim.lr=1"], "optim.lr=1 is for training"),
        (["hydra/launcher=joblip"], "joblip"),
    ],
)
def test_mistakes_get_one_clear_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        run(parse_arguments(arguments))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants: {a: [model=rnn]}\nbudget: {steps: 1}\nvariant: 3", "variant"),
        ("variants: {a: [model=rnn", "not valid YAML"),
        ("- a\n- b", "is no comparison"),
        ("variants: {a: [model=rnn]}", "the budget is not set"),
        ("variants: {a: [model=rnn]}\nbudget: short", "budget must be keys such as {steps: 1000}"),
        ("variants: {a: [rnn]}\nbudget: {steps: 1}", "rnn"),
        (
            "variants: {a: [model=rnn]}\nbudget: {steps: 1}\noverrides: [name=x]",
            "overrides: name is chosen by mt-compare",
        ),
    ],
)
def test_mistakes_in_files_get_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        run(parse_arguments([f"compare={tmp_path}/mine.yaml"]))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_with_an_empty_budget_takes_that_of_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("variants: {a: [model=rnn]}\nbudget:\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the budget is not set"):
        load_spec(str(path), {"budget.until": "plateau"}, [])
    spec, _ = load_spec(str(path), {"budget.until": "plateau", "budget.steps": 3}, [])
    assert (spec.budget.until, spec.budget.steps) == ("plateau", 3)


def test_a_request_without_runs_and_files_trains() -> None:
    assert (
        Request(parse_arguments([]).config).trains
        and parse_arguments([]).config.compare == "default"
    )
    assert not parse_arguments(["runs=[a]"]).trains


def test_text_of_a_comparison_stays_as_it_is_written(tmp_path: Path) -> None:
    text = (
        "variants: {no: [data.tgt_lang=no], 1e3: [data.tgt_lang=1e3, data.name=zwölf (1)]}\n"
        "baseline: no\ntitle: 12:30\nseeds: [7, 8]\nbudget: {steps: 3}\noverrides: [model=rnn]"
    )
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    spec, _ = load_spec(str(tmp_path / "mine.yaml"), {}, [])
    assert (list(spec.variants), spec.baseline, spec.title) == (["no", "1e3"], "no", "12:30")
    assert (spec.seeds, spec.budget.steps) == ([7, 8], 3)
    configs = [load_config([*spec.overrides, *own]) for own in spec.variants.values()]
    assert [config.data.tgt_lang for config in configs] == ["no", "1e3"]
    assert configs[1].data.name == "zwölf (1)"


def test_arguments_that_are_text_stay_as_they_are_written() -> None:
    config = parse_arguments(["hyp={no: zwei.de}", "ref=zwölf (1).de", "lang=no", "out=1e3"]).config
    assert (config.ref, config.lang, config.out, list(config.hyp)) == (
        ["zwölf (1).de"], "no", "1e3", ["no"]
    )  # fmt: skip
    assert parse_arguments(["data.train.src=ä.en"]).train == ["data.train.src='ä.en'"]
