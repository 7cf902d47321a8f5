"""Runs that choose their settings: the facts of their text, their speed, and what they keep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mt.config.automatic import open_keys, with_values
from mt.config.compose import load_config
from mt.config.schema import get_value
from mt.config.setting import AUTO_NUMBER
from mt.data.prepare import prepare_run
from mt.errors import UsageError
from mt.run_folder import RunFolder
from mt.train import train
from mt.training.automatic import choose_settings, reconsider_model, text_facts
from mt.training.distributed import ProcessGroup
from mt.training.planned_size import TextFacts
from mt.training.speed import PATIENCE, Sample, SpeedMeter, measure_samples
from mt.training.start import recall_settings

Overrides = Callable[..., list[str]]
CAPTIONS = TextFacts(target_tokens=500_000, longer_tokens=550_000, longest=60)


@pytest.mark.medium
def test_a_run_records_its_choices_and_keeps_them(
    tiny_run: Overrides, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = ("auto=", "optim=", "vocab_size", "batch_tokens", "max_minutes")
    overrides = [each for each in tiny_run(60) if not any(word in each for word in fixed)]
    overrides += ["trainer.max_minutes=100", "trainer.max_steps=3", "trainer.test=false"]
    monkeypatch.setattr("mt.train.SpeedMeter", lambda *_: lambda config: 100.0)
    train(load_config(overrides))
    folder = RunFolder.at(Path(get_value(load_config(overrides), "runs_dir")) / "tiny")
    config = folder.read_config()
    assert not open_keys(config) and config.data.tokenizer.max_vocab_size > 0
    assert str(AUTO_NUMBER) not in folder.config.read_text(encoding="utf-8")
    log = folder.log.read_text(encoding="utf-8")
    assert "auto: model/size=tiny: the nearest to model.dim=32, which stays" in log
    assert "auto: data.tokenizer.vocab_size=" in log
    # At another speed, or with other limits, another start would choose other settings.
    monkeypatch.setattr("mt.train.SpeedMeter", lambda *_: lambda config: 1e6)
    train(load_config([*overrides, "trainer.max_steps=40"]))
    again = folder.read_config()
    assert (config.trainer.val_every, again.trainer.val_every) == (1, 2)
    assert with_values(again, {"trainer.max_steps": 3, "trainer.val_every": 1}) == config


@pytest.mark.medium
def test_a_run_with_new_limits_says_which_model_they_would_lead_to(tiny_run: Overrides) -> None:
    fixed = ("auto=", "optim=", "dropout", "max_minutes", "max_steps")
    base = [each for each in tiny_run(60) if not any(word in each for word in fixed)]
    base += ["trainer.batch_tokens=256", "trainer.test=false"]
    folder = RunFolder.at(Path(get_value(load_config(base), "runs_dir")) / "tiny")
    note = "note: for these limits, model.dropout=0.1 would be chosen, but a run keeps its model"
    for steps, count in ((1, 0), (1, 0), (32, 1), (32, 1)):
        train(load_config([*base, f"trainer.max_steps={steps}"]))
        assert folder.read_config().model.dropout == 0
        assert folder.log.read_text(encoding="utf-8").count(note) == count


def test_the_model_is_reconsidered_for_other_limits() -> None:
    given = load_config(["data=demo", "trainer.max_minutes=2"])
    config, _ = choose_settings(given, CAPTIONS, False, 1, lambda _: 3000.0)
    longer = with_values(config, {"trainer.max_minutes": 60.0})
    for now, expected in (
        (config, []),
        (longer, ["model/size=small", "model.dropout=0.2"]),
        (with_values(longer, {"model.dropout": 0.2}), ["model/size=small"]),
    ):
        choices = reconsider_model(now, given, CAPTIONS, False, 1, lambda _: 3000.0)
        assert [choice.settings for choice in choices] == expected


def meter(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch, group: ProcessGroup | None = None
) -> tuple[Callable[[], float], list[str]]:
    """Return a measurement that takes the given samples one after the other, and what it says."""
    said: list[str] = []
    left = iter(samples)
    monkeypatch.setattr("mt.training.speed.measure_samples", lambda *_: (sample for sample in left))
    group, device = group or ProcessGroup(), torch.device("cpu")
    speed = SpeedMeter(None, group, device, said.append)  # type: ignore[arg-type]
    return lambda: speed(load_config([])), said


def test_the_slowest_rank_counts_because_the_others_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class TwoRanks(ProcessGroup):
        world_size = 2

        def all_gather(self, value: Sample) -> list[Sample]:
            return [value, Sample(other, 1.0, 2.0)]

    speed, said = meter([Sample(500.0, 1.0, 2.0)] * 2, monkeypatch, TwoRanks())
    other = 300.0
    assert speed() == 600
    other = 0.0  # it has too little memory
    assert speed() == 0
    assert not said


def test_a_model_that_does_not_fit_into_memory_has_no_speed(
    tiny_run: Overrides, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(tiny_run(60))
    data = prepare_run(config, lambda line: None)
    monkeypatch.setattr("mt.training.memory.TRAINING_BYTES", 10**12)
    assert SpeedMeter(data, ProcessGroup(), torch.device("cpu"), print)(config) == 0


def test_the_speed_is_measured_again_while_other_programs_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy, free = Sample(200.0, 0.4, 2.0), Sample(500.0, 0.97, 2.0)
    speed, said = meter([busy, busy, free, free], monkeypatch)
    assert speed() == 500
    (line,) = said
    assert line.startswith("other programs leave 40% of the CPU to this training: waiting up to 20")
    assert speed() == 500 and said == [line]


def test_a_load_that_lasts_is_part_of_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience is that of all measurements together, and the user learns what was assumed."""
    busy = [Sample(200.0 + number, 0.4, 4.0) for number in range(20)]
    speed, said = meter(busy, monkeypatch)
    assert speed() == 200 + PATIENCE / 4
    assert len(said) == 2 and "the settings are chosen for 40% of the CPU" in said[1]
    assert speed() == 201 + PATIENCE / 4 and len(said) == 2


def test_the_share_of_the_cpu_shows_another_program(
    tiny_run: Overrides, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(tiny_run(60))
    data = prepare_run(config, lambda line: None)
    monkeypatch.setattr("mt.training.speed.SECONDS", 0.3)
    cpus = os.sched_getaffinity(0)
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for process in (0, spinner.pid):
            os.sched_setaffinity(process, {min(cpus)})
        samples = measure_samples(config, data, torch.device("cpu"))
        assert 0 < next(samples).cpu_share < 0.7
    finally:
        os.sched_setaffinity(0, cpus)
        spinner.kill()
        spinner.wait()


@pytest.mark.parametrize("extra", [[], ["data.tokenizer.sampling=0.2"], ["data.concat=0.5"]])
def test_the_facts_of_the_text_are_those_of_its_pieces(
    tiny_run: Overrides, extra: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mt.training.speed.SECONDS", 0.1)
    config = load_config([*tiny_run(60), *extra])
    data = prepare_run(config, lambda line: None)
    facts = text_facts(data)
    assert facts.target_tokens == data.train[0].tgt_lengths.sum()
    assert facts.target_tokens <= facts.longer_tokens
    assert facts.longest >= data.train[0].src_lengths.max()
    assert next(measure_samples(config, data, torch.device("cpu"))).speed > 0


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
