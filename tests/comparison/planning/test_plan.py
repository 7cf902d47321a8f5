"""Plans of mt-compare: runs, equal budgets and sizes, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.overview import format_plan
from mt.comparison.planning.parameters import count_parameters
from mt.comparison.planning.plan import Plan, make_plan
from mt.comparison.planning.planned_run import plan_run
from mt.comparison.planning.spec import load_spec
from mt.config.compose import load_config
from mt.data.embedded_corpus import generate
from mt.data.prepare import prepare_run
from mt.errors import MTError
from mt.models.build import build_model
from mt.run_folder import RunFolder

TWO = "variants: {rnn: [model=rnn], tr: [model=transformer, position=rope]}\nbudget: {steps: 3}\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of tiny text files, written once for all tests."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, size in (("train", 60), ("val", 12), ("test", 12)):
        pairs = list(generate(split, size))
        for side, text in (("src", "source"), ("tgt", "target")):
            (folder / f"{split}.{side}").write_text(
                "".join(getattr(pair, text) + "\n" for pair in pairs), encoding="utf-8"
            )
    return folder


@pytest.fixture
def ask(corpus: Path, tmp_path: Path):
    """Return `ask(text, arguments)`, which plans a comparison from YAML on the tiny corpus."""
    files = [
        f"data.{split}.{side}={corpus}/{split}.{side}"
        for split in ("train", "val", "test")
        for side in ("src", "tgt")
    ]
    settings = [
        "data=files",
        "data.src_lang=en",
        "data.tgt_lang=de",
        "data.tokenizer.vocab_size=400",
        *files,
    ]
    settings += [f"data.cache={corpus}/cache", f"runs_dir={tmp_path}/runs"]

    def plan(text: str = TWO, *arguments: str) -> Plan:
        every = json.dumps(["model/size=tiny", *settings])
        (tmp_path / "tiny.yaml").write_text(f"{text}\noverrides: {every}\n", encoding="utf-8")
        request = parse_arguments([f"compare={tmp_path}/tiny.yaml", *arguments])
        spec, notes = load_spec(request.config.compare, request.changes, request.train)
        return make_plan(spec, request.train, lambda _: None, notes)

    return plan


def test_a_plan_has_every_seed_of_every_variant_with_the_budget(ask, tmp_path: Path) -> None:
    plan = ask(TWO + "seeds: 2\ntests: {short: [data.test.limit=5]}\n")
    assert [(each.variant, each.seed) for each in plan.runs()] == [
        ("rnn", 1),
        ("tr", 1),
        ("rnn", 2),
        ("tr", 2),
    ]
    assert len({each.folder for each in plan.runs()}) == 4 and plan.missing() == plan.runs()
    for each in plan.runs():
        config = load_config(each.overrides)  # what mt-train will make of it
        assert (
            config == each.config
            and config.trainer.max_steps == 3
            and config.trainer.max_minutes == 0
        )
        assert (
            each.folder.path == Path(config.runs_dir) / config.name
            and each.folder.path.parent == tmp_path / "runs" / "compare"
        )
    assert [(test.name, test.data.test.limit) for test in plan.tests] == [("short", 5)]
    text = format_plan(plan)
    assert (
        "| tr " in text
        and f"{plan.variants[1].parameters:,}" in text
        and "4 runs, 4 of them to train" in text
        and "short" in text
    )
    built = build_model(plan.variants[1].config.model, 400, 400)
    assert plan.variants[1].parameters == sum(p.numel() for p in built.parameters())


def test_folders_differ_by_settings_that_change_training_and_by_no_others(
    ask, corpus: Path
) -> None:
    folders = [each.folder for each in ask().runs()]
    for same in ("trainer.log_every=7", "trainer.test_beam=2"):
        assert [each.folder for each in ask(TWO, same).runs()] == folders, same
    for other in ("optim.lr=2e-3", "budget.target_tokens=50", "data.test.limit=4"):
        assert not set(folders) & {each.folder for each in ask(TWO, other).runs()}, other
    text = (corpus / "train.src").read_text("utf-8")
    (corpus / "train.src").write_text(text.replace("the", "thee"), encoding="utf-8")
    try:
        assert not set(folders) & {each.folder for each in ask().runs()}
    finally:
        (corpus / "train.src").write_text(text, encoding="utf-8")


def test_folders_differ_by_initial_weights(tmp_path: Path) -> None:
    config = load_config(["auto=false", f"trainer.init_from={tmp_path}"])
    with pytest.raises(MTError, match="variant a: trainer.init_from=.* has no model.safetensors"):
        plan_run("a", [], config, 1, "text")
    folders = []
    for weights in (b"one", b"two", b"one"):
        RunFolder.at(tmp_path).model.write_bytes(weights)
        folders.append(plan_run("a", [], config, 1, "text").folder)
    assert folders[0] == folders[2] != folders[1]


def test_an_equal_run_of_a_variant_of_another_name_is_used(tmp_path: Path) -> None:
    config = load_config(["auto=false", f"runs_dir={tmp_path}"])

    def folder(name: str) -> Path:
        return plan_run(name, [], config, 1, "text").folder.path

    first = folder("search")
    assert first.name.startswith("search-1-") and folder("bahdanau").name.startswith("bahdanau-1-")
    first.mkdir(parents=True)
    assert folder("bahdanau") == first
    own = first.with_name(first.name.replace("search", "bahdanau"))
    own.mkdir()
    assert folder("bahdanau") == own


def test_a_run_is_finished_when_it_was_tested_as_planned(tmp_path: Path) -> None:
    config = load_config(["auto=false", f"runs_dir={tmp_path}", "trainer.test_beam=3"])
    run = plan_run("a", [], config, 1, "text")
    run.folder.path.mkdir(parents=True)
    run.folder.write_config(run.config)  # as the second start does, before it tests again
    for name, text in (
        ("test.json", "{}"),
        ("test.hypotheses.txt", ""),
        ("cost.json", '{"test_beam": 5}'),
    ):
        (run.folder.path / name).write_text(text)
    assert not run.finished()
    run.folder.cost.write_text('{"test_beam": 3}')
    assert (
        run.finished()
        and not replace(
            run, config=load_config(["auto=false", "optim.lr=2e-3", "trainer.test_beam=3"])
        ).finished()
    )
    run.folder.cost.write_text('{"test_beam": 3, "pause_at": 0.5}')
    run.folder.checksums.path.unlink()
    assert not run.finished(), "a paused run continues"
    run.folder.cost.write_text('{"test_beam": 3, "pause_at": 1}')
    assert run.finished()
    run.folder.cost.write_text("[")
    assert not run.folder.checksums.matches(run.folder.cost), "it was recorded above"
    run.folder.checksums.path.unlink()
    assert not run.finished()


def test_a_trained_run_whose_test_changes_is_to_test_again(ask) -> None:
    run = ask().runs()[0]
    run.folder.path.mkdir(parents=True)
    run.folder.write_config(run.config)
    run.folder.write_cost({"test_beam": 5, "pause_at": 1.0})
    assert not run.trained(), "it has no model"
    run.folder.model.touch()
    run.folder.checkpoint.parent.mkdir()
    run.folder.checkpoint.touch()
    text = format_plan(ask(TWO, "trainer.test_beam=4"))
    assert "| 1 to test again, 2 to train |" in text
    assert "6 runs, 5 of them to train and 1 to test again" in text
    run.folder.write_cost({"test_beam": 5, "pause_at": 0.5})
    assert "| 1 begun, 2 to train |" in format_plan(ask())


def test_paths_may_have_spaces_and_quotes(ask, tmp_path: Path) -> None:
    strange = tmp_path / "it's a folder"
    plan = ask(TWO, f'runs_dir="{strange}"')
    assert plan.runs()[0].folder.path.parent == strange / "compare"
    assert load_config(plan.runs()[0].overrides) == plan.runs()[0].config


def test_matched_widths_are_the_nearest_to_the_baseline(ask) -> None:
    text = (
        TWO.replace("tr:", "luong: [model=rnn, attention=luong], tr:")
        + "match_parameters: true\nbaseline: tr\n"
    )
    plan = ask(text)
    wanted = {variant.name: variant.parameters for variant in plan.variants}
    for variant in plan.variants:
        assert abs(variant.parameters / wanted["tr"] - 1) < 0.02
        built = build_model(load_config(variant.runs[0].overrides).model, 400, 400)
        assert sum(p.numel() for p in built.parameters()) == variant.parameters
    assert (
        len(plan.matched) == 2
        and plan.matched[0].startswith("rnn: model.rnn.hidden=")
        and "% parameters" in plan.matched[0]
    )
    # Nearest: the next width on either side is further away.
    rnn = plan.variants[0].config.model
    for step in (-4, 4):
        other = replace(rnn, rnn=replace(rnn.rnn, hidden=rnn.rnn.hidden + step))
        assert abs(count_parameters(other, 400, 400) - wanted["tr"]) > abs(
            wanted["rnn"] - wanted["tr"]
        )
    back = ask(text.replace("baseline: tr", "baseline: rnn"))
    transformer = back.variants[2].config.model
    assert (
        transformer.dim % 8 == 0
        and transformer.transformer.ff_dim / transformer.dim == pytest.approx(2, rel=0.05)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("model=rnn", "model=lstm"), "variant rnn: unknown option model=lstm"),
        (
            TWO.replace("position=rope", "position=rope, model.dim=7"),
            "variant tr: model.dim must be even",
        ),
        (
            TWO.replace("model=transformer, position=rope", "model=rnn"),
            "variants rnn and tr have the same settings",
        ),
        (
            TWO.replace("model=transformer, position=rope", "model=rnn, trainer.test_beam=2"),
            "variants rnn and tr are the same training, which trainer.test_beam does not change",
        ),
        (
            TWO.replace("position=rope", "data.test.limit=5"),
            "variants rnn and tr are tested on different text",
        ),
        (
            TWO.replace("position=rope", "data.tokenizer.vocab_size=350").replace(
                "steps: 3", "target_tokens: 500"
            ),
            "variants rnn and tr have different tokenizers",
        ),
        (TWO.replace("position=rope", "data.train.src=nowhere.txt"), "variant tr: "),
        (TWO + "tests: {other: [data.test.src=nowhere.txt]}", "tests.other: "),
        (
            TWO.replace("position=rope", "model.dim=128, model.transformer.heads=64")
            + "match_parameters: true\nbaseline: rnn",
            "variant tr: no width gives it",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_training(ask, text: str, message: str) -> None:
    with pytest.raises(MTError) as error:
        ask(text)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_variants_that_the_command_line_makes_equal_are_said_to_be(ask) -> None:
    own = TWO.replace(", position=rope", "")
    overridden = ": the command line overrides their difference"
    for text, ending in ((own, overridden), (own.replace("transformer", "rnn"), "")):
        message = f"^variants rnn and tr have the same settings{ending}$"
        with pytest.raises(MTError, match=message):
            ask(text, "model=rnn")


def test_a_run_in_training_is_named(ask) -> None:
    folder = ask().runs()[1].folder.path
    folder.mkdir(parents=True)
    with (
        FileLock(folder / ".lock"),
        pytest.raises(MTError, match="is being trained by another process: wait"),
    ):
        ask()
    assert ask().missing()


def test_tokenizers_may_differ_where_the_budget_is_not_in_tokens(ask) -> None:
    plan = ask(TWO.replace("position=rope", "data.tokenizer.vocab_size=350"))
    assert plan.variants[0].parameters != plan.variants[1].parameters
    sizes = [
        prepare_run(variant.config, lambda _: None).tokenizer.vocab_size()
        for variant in plan.variants
    ]
    assert sizes == [400, 350]


def test_the_name_of_a_folder_has_the_seed_outside_the_hash(ask) -> None:
    config = ask().variants[0].config
    one, two = (plan_run("rnn", [], config, seed, "text").folder.path.name for seed in (1, 2))
    assert one.replace("rnn-1-", "rnn-2-") == two
