"""Settings that are `auto`: how they are read, what is chosen, and that a run keeps it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.arguments.train import prepare_arguments
from mt.config.automatic import decode_text, encode_content, encode_override, open_keys, with_values
from mt.config.compose import load_config
from mt.config.schema import Config, OptimConfig, get_value, keys
from mt.config.setting import AUTO_NUMBER, default_value
from mt.data.prepare import prepare_run
from mt.data.tokenizer_training import automatic_size
from mt.errors import UsageError
from mt.run_folder import RunFolder
from mt.train import train
from mt.training.automatic import choose_processes, choose_settings, text_facts
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.distributed import ProcessGroup
from mt.training.planned_size import Choice, TextFacts
from mt.training.speed import measure_speed
from mt.training.start import recall_settings
from mt.training.steps import order_batches

Overrides = Callable[..., list[str]]
CAPTIONS = TextFacts(target_tokens=500_000, longer_tokens=550_000, longest=60)


def choose(
    *overrides: str,
    text: TextFacts = CAPTIONS,
    speed: float = 5000,
    gpu: bool = False,
    processes: int = 1,
) -> tuple[Config, dict[str, str]]:
    """Return the settings chosen at a speed, and the reasons by the preset or first key of each."""
    config, first = choose_processes(load_config(list(overrides)), text, processes)
    config, others = choose_settings(config, text, gpu, 1, lambda _: speed)
    choices = first + others
    return config, {each.preset or next(iter(each.values)): each.reason for each in choices}


def test_auto_is_a_value_of_settings_that_may_be_chosen_and_of_no_others(tmp_path: Path) -> None:
    assert load_config(["optim.lr=auto"]).optim.lr == AUTO_NUMBER
    assert "optim.lr" in open_keys(load_config(["optim=muon", "optim.lr=auto"]))
    assert "optim.lr" not in open_keys(load_config(["optim.lr=1e-3"]))
    folder = tmp_path / "optim"
    folder.mkdir()
    (folder / "mine.yaml").write_text("lr: 2e-3\nwarmup: auto\noptimizer: auto\n")
    own = load_config([f"hydra.searchpath=[file://{tmp_path}]", "optim=mine"])
    assert (own.optim.lr, own.optim.warmup, own.optim.optimizer) == (2e-3, AUTO_NUMBER, "auto")
    with pytest.raises(UsageError, match=r"optim\.clip"):
        load_config(["optim.clip=auto"])
    with pytest.raises(UsageError, match=r"optim\.warmup must be >= 0"):
        load_config(["optim.warmup=-1"])
    for written in ("++optim.lr=auto", "optim.lr='auto'"):
        assert load_config([written]).optim.lr == AUTO_NUMBER
    assert load_config(["name='x-${optim.lr}-${model.dim}'"]).name == "x-auto-auto"
    with pytest.raises(UsageError, match=r"log_every refers to a setting that is auto"):
        load_config(["trainer.log_every=${trainer.val_every}"])
    assert decode_text(f"lr: {AUTO_NUMBER}.0, dim: {AUTO_NUMBER}") == "lr: auto, dim: auto"


def test_auto_is_one_of_the_values_of_a_sweep(tmp_path: Path) -> None:
    number = str(AUTO_NUMBER)
    for value in ("choice(auto,1e-3)", "auto,1e-3", "'auto', 1e-3", 'choice("auto", 1e-3)'):
        encoded = encode_override(f"optim.lr={value}")
        assert number in encoded and "auto" not in encoded and "1e-3" in encoded
        assert prepare_arguments(["-m", f"optim.lr={value}"])
    assert encode_override("optim.optimizer=choice(auto,adamw)").endswith("choice(auto,adamw)")
    params = {"optim.lr": "choice(auto, 1e-3)", "optim.optimizer": "auto,muon"}
    content = encode_content({"hydra": {"sweeper": {"params": params}}})
    expected = {**params, "optim.lr": f"choice({number}, 1e-3)"}
    assert content == {"hydra": {"sweeper": {"params": expected}}}


def test_auto_false_takes_the_defaults_of_the_schema() -> None:
    config = load_config(["auto=false"])
    assert not open_keys(config) and config.optim == OptimConfig()
    for key in open_keys(load_config([])):
        assert get_value(config, key) == default_value(keys()[key])


TRIED = [
    "trainer.max_minutes=4",
    "trainer.max_epochs=30",
    "trainer.max_steps=100",
    "trainer.max_target_tokens=1000000",
    "trainer.max_flops=1e15",
    "model=rnn",
    "model/size=base",
    "model.dropout=0.5",
    "optim=cosine",
    "optim.lr=1e-4",
    "optim.optimizer=adamw",
    "optim.warmup=7",
    "trainer.batch_tokens=100",
    "trainer.val_every=0",
]


@settings(max_examples=25, deadline=None)
@given(
    overrides=st.lists(st.sampled_from(TRIED), unique=True),
    pairs=st.integers(1, 10**8),
    length=st.integers(1, 60),
    speed=st.floats(1, 1e6),
    gpu=st.booleans(),
)
def test_all_settings_are_chosen_and_those_that_are_given_stay(
    overrides: list[str], pairs: int, length: int, speed: float, gpu: bool
) -> None:
    text = TextFacts(pairs * length, round(1.1 * pairs * length) + 1, length)
    given_settings = load_config(overrides)
    config, reasons = choose(*overrides, text=text, speed=speed, gpu=gpu)
    assert not open_keys(config) and all(reasons.values())
    for key in set(keys()) - set(open_keys(given_settings)):
        assert get_value(config, key) == get_value(given_settings, key), key


def test_more_time_gives_a_larger_model_larger_batches_and_more_dropout() -> None:
    before = (0, 0, -1.0)
    for minutes in (1, 4, 15, 60, 600):
        config, _ = choose(f"trainer.max_minutes={minutes}")
        now = (config.model.dim, config.trainer.batch_tokens, config.model.dropout)
        assert all(b <= n for b, n in zip(before, now, strict=True)), (minutes, before, now)
        before = now
    assert before == (256, 4096, 0.3)


def test_the_reasons_name_what_decided() -> None:
    config, reasons = choose("trainer.max_minutes=10", speed=2000)
    assert reasons["model/size=small"] == "500,000 target tokens of text, too little for base"
    assert (config.model.dim, config.trainer.until) == (256, "plateau")
    _, reasons = choose(text=TextFacts(10**8, 10**8, 60))
    assert reasons["model/size=small"].endswith("and no GPU, too little for base")
    assert choose("optim=cosine")[0].trainer.until == "budget"
    assert choose("trainer.val_every=0")[0].trainer.until == "budget"
    assert str(Choice({"optim.lr": 1e-3}, "as tried")) == "auto: optim.lr=0.001: as tried"


def test_the_speed_is_measured_only_for_a_limit_in_minutes() -> None:
    def fail(config: Config) -> float:
        raise AssertionError("measured")

    for limit in ("max_steps=100", "max_epochs=3", "max_target_tokens=1000"):
        choose_settings(load_config([f"trainer.{limit}"]), CAPTIONS, False, 1, fail)
    with pytest.raises(AssertionError, match="measured"):
        choose_settings(load_config(["trainer.max_minutes=1"]), CAPTIONS, False, 1, fail)


def test_the_steps_are_planned_at_the_speed_of_the_batches_that_are_chosen() -> None:
    """A fixed time for each step makes small batches slower."""

    def measure(config: Config) -> float:
        batch = config.trainer.batch_tokens
        return 6000 * batch / (batch + 700)

    config, choices = choose_settings(
        load_config(["trainer.max_minutes=1"]), CAPTIONS, False, 1, measure
    )
    batch = config.trainer.batch_tokens
    assert batch == 1024
    tokens = 0.9 * 60 * measure(config)
    steps = tokens / (batch * CAPTIONS.target_tokens / CAPTIONS.longer_tokens)
    reasons = {next(iter(each.values)): each.reason for each in choices}
    assert reasons["optim.warmup"] == f"for about {steps:,.0f} steps"


def test_a_setting_that_contradicts_the_choice_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"divisible by model\.transformer\.heads=16, got 200"):
        choose("model.dim=200", "model.transformer.heads=16")
    with pytest.raises(UsageError, match=r"divisible by model\.transformer\.heads=256, got 128"):
        choose("model.transformer.heads=256", "position=none", text=TextFacts(1000, 1000, 60))


@pytest.mark.parametrize(
    ("characters", "pieces"), [(0, 1000), (480_000, 1500), (3_700_000, 3800), (10**12, 32_000)]
)
def test_vocabularies_grow_with_the_text(characters: int, pieces: int) -> None:
    assert automatic_size(characters) == pieces


def test_without_a_limit_only_the_plateau_ends_training() -> None:
    config, _ = choose()
    budget = TrainingBudget.from_config(config.trainer)
    assert budget.fraction_spent(TrainingState(step=10**9, minutes=10**6)) == 0
    assert math.isinf(budget.validation_minutes(TrainingState()))


def test_a_run_records_its_choices_and_keeps_them(
    tiny_run: Overrides, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = ("auto=", "optim=", "vocab_size", "batch_tokens", "max_minutes")
    overrides = [each for each in tiny_run(60) if not any(word in each for word in fixed)]
    overrides += ["trainer.max_minutes=100", "trainer.max_steps=3", "trainer.test=false"]
    monkeypatch.setattr("mt.train.measure_speed", lambda *_: 100.0)
    train(load_config(overrides))
    folder = RunFolder.at(Path(get_value(load_config(overrides), "runs_dir")) / "tiny")
    config = folder.read_config()
    assert not open_keys(config) and config.data.tokenizer.max_vocab_size > 0
    assert str(AUTO_NUMBER) not in folder.config.read_text(encoding="utf-8")
    log = folder.log.read_text(encoding="utf-8")
    assert "auto: model/size=tiny: the nearest to model.dim=32, which stays" in log
    assert "auto: data.tokenizer.vocab_size=" in log
    # At another speed, or with other limits, another start would choose other settings.
    monkeypatch.setattr("mt.train.measure_speed", lambda *_: 1e6)
    train(load_config([*overrides, "trainer.max_steps=40"]))
    again = folder.read_config()
    assert (config.trainer.val_every, again.trainer.val_every) == (1, 2)
    assert with_values(again, {"trainer.max_steps": 3, "trainer.val_every": 1}) == config


def test_files_of_ones_own_imply_their_preset(tmp_path: Path) -> None:
    given_config = load_config(["data.train.src=a/mine.en", "data.train.tgt=a/mine.de"])
    assert (given_config.data.name, given_config.name) == ("files-mine", "files-mine-transformer")
    assert load_config(["data.train.file=x.tsv"]).data.name == "files-x"
    assert load_config(["data=hub", "data.train.src=x"]).data.name.startswith("hub")
    assert load_config(["data.train.demo=100"]).data.name == "demo"
    (tmp_path / "experiment").mkdir()
    mine = "# @package _global_\ndefaults:\n  - override /data: multi30k\noptim: {lr: 7e-4}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(mine)
    experiment = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    own = load_config([*experiment, "data.train.src=x.en", "data.train.tgt=x.de"])
    assert (own.data.name, own.data.train.hub, own.optim.lr) == ("files-x", "", 7e-4)
    assert load_config(experiment).data.name == "multi30k"


def test_a_size_that_does_not_fit_the_settings_is_left_out() -> None:
    much = TextFacts(10**8, 10**8, 60)
    heads = ["model=rnn", "attention=multihead_dot", "model.rnn.attention_heads=16"]
    config, _ = choose(*heads, "trainer.max_minutes=600", text=much, gpu=True)
    assert config.model.rnn.attention_dim == 512, "not 1000, as in base"


def test_a_larger_size_is_taken_if_the_smaller_contradict_what_is_given() -> None:
    config, reasons = choose(
        "model.transformer.heads=256", "position=none", "trainer.max_minutes=1", speed=10
    )
    assert config.model.dim == 256
    assert reasons["model/size=small"].endswith("; tiny contradicts settings that are given")


def test_the_other_widths_follow_a_width_that_is_given() -> None:
    config, reasons = choose("model.dim=500", "model.transformer.heads=2", "trainer.max_minutes=1")
    assert (config.model.dim, config.model.transformer.ff_dim) == (500, 2048)
    assert reasons["model/size=base"] == "the nearest to model.dim=500, which stays"
    config, _ = choose("model=rnn", "model.rnn.hidden=1000", "trainer.max_minutes=1")
    assert config.model.rnn.attention_dim == 1000


def test_batches_hold_the_longest_pair_and_count_accumulation_and_ranks() -> None:
    assert choose(text=TextFacts(10**5, 10**5, 5000))[0].trainer.batch_tokens == 5000
    for accumulate, batch in ((1, 4096), (2, 3072), (8, 2048)):
        config, _ = choose("trainer.max_minutes=60", f"trainer.accumulate={accumulate}")
        assert config.trainer.batch_tokens == batch
    narrow, _ = choose("trainer.max_minutes=1")
    assert (narrow.model.dim, narrow.trainer.batch_tokens) == (128, 1024)


def test_each_thread_gets_a_process_if_its_share_of_a_batch_holds_any_pair() -> None:
    config, reasons = choose(processes=2)
    assert config.trainer.processes == 2 and reasons["trainer.processes"] == "one for each thread"
    assert choose("trainer.max_minutes=1", processes=2)[0].trainer.batch_tokens == 1024
    config, _ = choose("trainer.max_minutes=1", processes=16)
    assert (config.trainer.processes, config.trainer.batch_tokens) == (8, 8 * 512)
    long = TextFacts(10**5, 10**5, longest=3000)
    for batch in ("auto", "4096"):
        config, reasons = choose(f"trainer.batch_tokens={batch}", text=long, processes=2)
        assert config.trainer.processes == 1
        assert "hold the longest pair (3,000)" in reasons["trainer.processes"]
    assert choose(text=long, processes=2)[0].trainer.batch_tokens < 6000
    long = TextFacts(10**5, 10**5, longest=1024)
    assert choose(text=long, processes=16)[0].trainer.processes == 4
    assert choose("trainer.batch_tokens=9000", text=long, processes=6)[0].trainer.processes == 6
    assert choose("trainer.processes=3", processes=8)[0].trainer.processes == 3
    assert "trainer.processes" not in choose()[1]  # there is no choice


def test_r_drop_needs_dropout_also_in_a_short_training() -> None:
    assert choose("trainer.max_minutes=0.1")[0].model.dropout == 0
    assert choose("trainer.max_minutes=0.1", "regularise=rdrop")[0].model.dropout == 0.1


def test_a_limit_in_steps_plans_the_largest_batches() -> None:
    much = TextFacts(10**8, 10**8, 60)
    assert choose("trainer.max_steps=2000", text=much)[0].model.dim == 256
    assert choose("trainer.max_steps=20000", text=much)[0].model.dim == 512
    assert choose("trainer.max_steps=200")[0].trainer.batch_tokens == 4096


def test_a_budget_without_a_plateau_and_a_limit_is_planned_with_half_an_hour() -> None:
    config, reasons = choose("optim=cosine", speed=1000)
    assert config.trainer.until == "budget" and "not known" not in reasons["optim.warmup"]


def test_patience_keeps_the_rate_constant() -> None:
    config, _ = choose("trainer.patience=5")
    assert (config.optim.decay, config.trainer.until) == ("none", "budget")
    assert choose()[0].optim.decay == "1-sqrt"


def test_the_speed_is_the_sum_over_ranks_also_with_fewer_batches_than_ranks(
    tiny_run: Overrides,
) -> None:
    config = load_config([*tiny_run(60), "trainer.batch_tokens=4096"])
    data = prepare_run(config, lambda line: None)
    assert len(order_batches(config, data).epoch(0)) == 1

    class TwoRanks(ProcessGroup):
        def all_gather(self, value: float) -> list[float]:
            return [value, other]

    other = 1e9
    assert 1e9 < measure_speed(config, data, TwoRanks(), torch.device("cpu")) < 1.1e9
    other = 0.0  # it has too little memory
    assert measure_speed(config, data, TwoRanks(), torch.device("cpu")) == 0


@pytest.mark.parametrize("extra", [[], ["data.tokenizer.sampling=0.2"], ["data.concat=0.5"]])
def test_the_facts_of_the_text_are_those_of_its_pieces(
    tiny_run: Overrides, extra: list[str]
) -> None:
    config = load_config([*tiny_run(60), *extra])
    data = prepare_run(config, lambda line: None)
    facts = text_facts(data)
    assert facts.target_tokens == data.train[0].tgt_lengths.sum()
    assert facts.target_tokens <= facts.longer_tokens
    assert facts.longest >= data.train[0].src_lengths.max()
    assert measure_speed(config, data, ProcessGroup(), torch.device("cpu")) > 0


def test_a_pause_needs_a_limit() -> None:
    with pytest.raises(UsageError, match=r"pause_at is a share of a limit"):
        load_config(["trainer.until=plateau", "trainer.pause_at=0.5"])


def test_settings_that_a_continued_run_cannot_have_are_refused(tiny_run: Overrides) -> None:
    """Its choices are recalled, so that they may contradict what is given now."""
    base = [each for each in tiny_run(60) if not each.startswith(("auto=", "optim="))]
    train(load_config([*base, "trainer.max_steps=2", "trainer.test=false"]))
    for given_now, message in (
        ("trainer.val_every=0", "until=plateau needs validations"),
        ("trainer.patience=5", "trainer.patience would end training before the decay"),
    ):
        with pytest.raises(UsageError, match=message):
            train(load_config([*base, "trainer.max_steps=2", given_now]))


def test_a_run_without_a_limit_keeps_its_interval_of_validations(tiny_run: Overrides) -> None:
    fixed = ("auto=", "optim=")
    base = [each for each in tiny_run(60) if not each.startswith(fixed)]
    config = load_config([*base, "optim=cosine"])
    folder = RunFolder.at(Path(config.runs_dir) / config.name)
    chosen, _ = choose_settings(config, CAPTIONS, False, 1, lambda _: 1000.0)
    chosen = with_values(chosen, {"data.tokenizer.max_vocab_size": 400, "trainer.processes": 1})
    folder.path.mkdir(parents=True)
    folder.write_config(chosen)
    (folder.path / "last").mkdir()
    (folder.path / "model.safetensors").touch()
    assert not open_keys(recall_settings(config, folder)), "both have half an hour"
    more = with_values(config, {"trainer.max_minutes": 60.0})
    assert open_keys(recall_settings(more, folder)) == ["trainer.val_every"]
