"""The rules of settings that are `auto`: what is chosen, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.config.automatic import open_keys
from mt.config.compose import load_config
from mt.config.schema import Config, get_value, keys
from mt.data.tokenizer_training import automatic_size
from mt.errors import UsageError
from mt.training.automatic import choose_processes, choose_settings
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.planned_size import Choice, TextFacts

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
    return choose_open(load_config(list(overrides)), text, speed, gpu, processes)


def choose_open(
    given: Config, text: TextFacts, speed: float, gpu: bool, processes: int = 1
) -> tuple[Config, dict[str, str]]:
    """Return the given settings with those that are open chosen, and the reasons."""
    config, first = choose_processes(given, text, processes)
    config, others = choose_settings(config, text, gpu, 1, lambda _: speed)
    choices = first + others
    return config, {each.preset or next(iter(each.values)): each.reason for each in choices}


def test_the_advice_on_widths_holds_for_the_size_that_is_chosen() -> None:
    hybrid = ["model=transformer", "model.decoder=rnn", "model.rnn.attention=dot"]
    with pytest.raises(UsageError) as error:
        load_config(hybrid)
    advice = re.findall(r"model\.\S+=\d+", str(error.value))
    config, _ = choose(*hybrid, *advice, text=TextFacts(10_000, 11_000, 60))
    assert config.model.dim == config.model.rnn.hidden == 256


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


@settings(max_examples=15)
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
    config, reasons = choose_open(given_settings, text, speed, gpu)
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
    config, reasons = choose("trainer.max_minutes=10", speed=2700)
    assert reasons["model/size=tiny"].endswith("at 2,700 a second, too little for small")
    config, reasons = choose("trainer.max_minutes=40", speed=2000)
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


@pytest.mark.parametrize("accumulate, ranks", [(1, 1), (8, 1), (1, 8)])
def test_a_limit_in_steps_plans_as_many_steps_whatever_their_size(
    accumulate: int, ranks: int
) -> None:
    size = "trainer.batch_tokens=1024", f"trainer.accumulate={accumulate}"
    given = load_config(["trainer.max_steps=2000", *size])
    config, choices = choose_settings(given, CAPTIONS, False, ranks, lambda _: 0.0)
    reasons = {next(iter(each.values)): each.reason for each in choices}
    assert reasons["optim.warmup"] == "for about 2,000 steps"
    assert config.trainer.val_every == 100
    epochs = 2000 * 1024 * accumulate * ranks / CAPTIONS.longer_tokens
    assert reasons["model.dropout"] == f"the text is seen about {epochs:.1f} times"


@pytest.mark.parametrize(
    "steps, expected", [(1, "1 validation in"), (2, "2 validations in"), (400, "20 validations in")]
)
def test_the_number_of_validations_is_that_which_the_interval_leads_to(
    steps: int, expected: str
) -> None:
    config, reasons = choose(f"trainer.max_steps={steps}")
    assert reasons["trainer.val_every"] == f"{expected} the training"
    assert config.trainer.val_every == max(1, steps // 20)


def test_a_nearer_limit_than_that_in_steps_counts() -> None:
    limits = "trainer.max_steps=2000", "trainer.max_epochs=10", "trainer.accumulate=8"
    _, reasons = choose(*limits, "trainer.batch_tokens=1024")
    assert reasons["model.dropout"] == "the text is seen about 10.0 times"


def test_a_setting_that_contradicts_the_choice_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"divisible by model\.transformer\.heads=16, got 200"):
        choose("model.dim=200", "model.transformer.heads=16")
    with pytest.raises(UsageError, match=r"divisible by model\.transformer\.heads=256, got 128"):
        choose("model.transformer.heads=256", "position=none", text=TextFacts(1000, 1000, 60))


@pytest.mark.parametrize(
    ("characters", "pieces"), [(0, 1000), (480_000, 4000), (3_700_000, 7900), (10**12, 32_000)]
)
def test_vocabularies_grow_with_the_text(characters: int, pieces: int) -> None:
    assert automatic_size(characters) == pieces


def test_without_a_limit_only_the_plateau_ends_training() -> None:
    config, _ = choose()
    budget = TrainingBudget.from_config(config.trainer)
    assert budget.fraction_spent(TrainingState(step=10**9, minutes=10**6)) == 0
    assert math.isinf(budget.validation_minutes(TrainingState()))


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
    config, [choice] = choose_processes(load_config([]), CAPTIONS, 4, fitting=3)
    assert config.trainer.processes == 3 and "memory holds no more" in choice.reason
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
