"""Fine-tuning: what it takes from the other run, what it refuses, and what it prints."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import mt
from helpers.hub_models import save_m2m, save_marian
from helpers.training_runs import (
    NARROW_MODEL,
    checkpoint_state,
    read_records,
    run_training,
    write_tiny_run,
)
from mt import import_model
from mt import train as command
from mt.arguments.train import prepare_arguments
from mt.config.automatic import with_values
from mt.config.compose import load_config
from mt.config.schema import Config, DataConfig, OptimConfig, TrainerConfig
from mt.data.tokenizer import Tokenizer
from mt.errors import UsageError
from mt.run_folder import RunFolder
from mt.training.automatic import FINE_TUNING, choose_rate, choose_warmup
from mt.training.fine_tuning import compare_languages, inherit_settings, unknown_shares
from mt.training.optim import apply_gradients, build_optimizer
from mt.training.validation import SetValidator


@pytest.fixture
def base(tiny_run) -> list[str]:
    """Return the overrides of a short training, without a model."""
    given = tiny_run(60)
    return [
        *(each for each in given if not each.startswith(("name=", "model.", "data.tokenizer."))),
        "trainer.max_steps=3",
        "trainer.test=false",
        "data.val.limit=4",
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model that differs from the default in many settings."""
    folder = tmp_path_factory.mktemp("first")
    run_training(
        [
            *write_tiny_run(folder, 60),
            *NARROW_MODEL,
            "name=first",
            "position=sinusoidal",
            "model.transformer.qk_norm=false",
            "model.transformer.norm=post",
            "model.tie_embeddings=target",
            "model.dropout=0.15",
            "data.tokenizer.joint=false",
            "data.tokenizer.type=bpe",
            "trainer.max_steps=3",
            "trainer.test=false",
        ]
    )
    return folder / "runs" / "first"


@pytest.fixture
def first(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained model."""
    return Path(shutil.copytree(trained, tmp_path / "runs" / "first"))


def test_weights_model_and_tokenizer_are_those_of_the_run(base, first: Path, capsys) -> None:
    run_training([*base, "name=second", "optim.lr=0", f"trainer.init_from={first}"])
    second = first.with_name("second")
    before, after = (load_file(RunFolder(path).model) for path in (first, second))
    assert all(torch.equal(before[name], after[name]) for name in before)
    old, new = (RunFolder(path).read_config() for path in (first, second))
    assert new.model == old.model and new.model.dropout == 0.15
    assert new.data.tokenizer == replace(old.data.tokenizer, max_vocab_size=8000)
    assert Tokenizer.load(second).serialized() == Tokenizer.load(first).serialized()
    log = (second / "train.log").read_text()
    assert "400 pieces: 0.0 % of the source words and 0.0 % of the target words" in log
    assert "before the first step: " in log
    loss = log.split("before the first step: ")[1].split("loss ")[1].split()[0]
    assert f"loss {loss}" in log.split("before the first step: ")[1].split("\n", 1)[1]
    # The weights before the first step are a candidate for the model.
    assert "(best so far by loss" in log.split("before the first step: ")[1].split("\n")[0]
    assert [record["step"] for record in read_records(second, "val")] == [0, 3]
    assert f"no validation was better by loss than the initial one: {second} has" in log
    # The same command continues the run, without a validation before its first step.
    run_training(
        [*base, "name=second", "optim.lr=0", f"trainer.init_from={first}", "trainer.max_steps=4"]
    )
    assert (second / "train.log").read_text().count("before the first step") == 1


@pytest.mark.medium
def test_a_fine_tuning_that_only_harms_leaves_the_model_as_it_was(base, first: Path) -> None:
    """The model is that of the run, also after a stop; one that becomes better takes its place."""
    given = [*base, f"trainer.init_from={first}", "trainer.val_every=1", "optim.warmup=1"]
    given += ["optim.ema=0", "trainer.max_steps=4"]
    run_training([*given, "name=harmed", "optim.lr=3", "trainer.max_steps=2"])
    run_training([*given, "name=harmed", "optim.lr=3"])
    run_training([*given, "name=better", "optim.lr=1e-3"])
    start = load_file(RunFolder(first).model)
    harmed, better = (first.with_name(name) for name in ("harmed", "better"))
    kept, moved = (load_file(RunFolder(path).model) for path in (harmed, better))
    assert all(torch.equal(start[name], kept[name]) for name in start)
    assert not all(torch.equal(start[name], moved[name]) for name in start)
    losses = [[record["loss"] for record in read_records(path, "val")] for path in (harmed, better)]
    assert len(losses[0]) == len(losses[1]) == 5 and losses[0][0] == losses[1][0]
    assert min(losses[0]) == losses[0][0] and min(losses[1]) == losses[1][-1]
    states = [checkpoint_state(path) for path in (harmed, better)]
    assert [(state["best_step"], state["curve"][0][0]) for state in states] == [(0, 0), (4, 0)]
    assert states[0]["validations_since_best"] == 4
    # A model that is lost is replaced as after any other validation.
    RunFolder(harmed).model.unlink()
    run_training([*given, "name=harmed", "optim.lr=3", "trainer.max_steps=5"])
    assert (
        f"warning: {RunFolder(harmed).model} with the weights of step 0"
        in RunFolder(harmed).log.read_text()
    )


def test_the_validation_before_the_first_step_is_repeated_after_a_signal(
    base, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [*base, f"trainer.init_from={first}", "name=stopped", "optim.lr=0"]
    loss = SetValidator._loss

    def interrupted(*arguments) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(SetValidator, "_loss", interrupted)
        run_training(given)
    stopped = first.with_name("stopped")
    state = checkpoint_state(stopped)
    assert (state["step"], state["validated"], state["best"]) == (0, -1, None)
    run_training(given)
    assert [record["step"] for record in read_records(stopped, "val")] == [0, 3]
    assert checkpoint_state(stopped)["best_step"] == 0


@pytest.mark.parametrize(
    "given, message",
    [
        ("data.tokenizer.vocab_size=350", r"data.tokenizer.vocab_size=350 \(it has 400\)"),
        ("model.transformer.norm=sandwich", r"model.transformer.norm=sandwich \(it has post\)"),
        ("model.dim=64", r"model.dim=64 \(it has 32\)"),
        ("model=rnn", r"model.encoder=rnn \(it has transformer\), model.decoder=rnn"),
        ("data.tokenizer.joint=true", r"data.tokenizer.joint=true \(it has false\)"),
    ],
)
def test_what_is_given_and_differs_is_refused_by_name(
    given: str, message: str, base, first: Path
) -> None:
    with pytest.raises(UsageError, match=f"leave out .*{message}"):
        prepare_arguments([*base, f"trainer.init_from={first}", given])


def test_what_may_differ_or_is_the_same_is_accepted(base, first: Path) -> None:
    given = ["data.tokenizer.sampling=0.2", "model.dropout=0.3", "model.dim=32"]
    prepare_arguments([*base, f"trainer.init_from={first}", *given])
    config = inherit_settings(load_config([*base, f"trainer.init_from={first}", *given]))
    assert (config.data.tokenizer.sampling, config.model.dropout) == (0.2, 0.3)


@pytest.mark.medium
def test_the_command_takes_the_settings_of_the_run(
    base, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Hydra runs the job, which composes settings, too."""
    flags = ["mt-train", *base, "name=by-command", f"trainer.init_from={first}"]
    monkeypatch.setattr("sys.argv", flags)
    command.main()
    tuned = RunFolder(first.with_name("by-command")).read_config()
    assert tuned.model == RunFolder(first).read_config().model


@pytest.mark.medium
def test_an_imported_model_is_fine_tuned(base, tmp_path: Path, capsys) -> None:
    run = tmp_path / "opus"
    import_model.main([str(save_marian(tmp_path / "hub")), "--out", str(run)])
    run_training(
        [
            *(each for each in base if not each.startswith(("auto=", "optim="))),
            "name=tuned",
            f"trainer.init_from={run}",
            "data.tokenizer.sampling=0.3",
            "optim.init_decay=1",
        ]
    )
    tuned = RunFolder(tmp_path / "runs" / "tuned")
    config = tuned.read_config()
    assert config.model == RunFolder(run).read_config().model
    assert config.optim.optimizer == "adamw" and config.optim.warmup <= 100
    log = tuned.log.read_text()
    assert "for fine-tuning" in log and "have bytes or unknown pieces" in log
    before, after = (load_file(RunFolder(path).model) for path in (run, tuned.path))
    assert not torch.equal(before["output.bias"], after["output.bias"])


@pytest.mark.medium
def test_a_multilingual_run_is_tuned_between_its_languages_or_others(base, tmp_path: Path) -> None:
    run = tmp_path / "m2m"
    import_model.main([str(save_m2m(tmp_path / "hub")), "--out", str(run)])
    flags = [
        *(each for each in base if not each.startswith(("auto=", "optim="))),
        f"trainer.init_from={run}",
        "regularise=word_dropout",
        "data.concat=0.5",
    ]
    for steps in (2, 3):  # the second command continues the run
        run_training([*flags, "name=tuned", "data.tgt_lang=fr", f"trainer.max_steps={steps}"])
    tuned = RunFolder(tmp_path / "runs" / "tuned")
    assert tuned.read_config().data.languages() == ("en", "fr")
    languages = Tokenizer.load(tuned.path).languages
    assert languages is not None and (languages.source, languages.target) == ("en", "fr")
    assert len(mt.load(tuned.path, device="cpu").translate(["a b"], beam=1)) == 1
    text = ["data.train.src=a", "data.train.tgt=b", f"trainer.init_from={run}"]
    for given in ([], ["data.reverse=true"]):  # the pair of the run, whichever file is the source
        assert inherit_settings(load_config([*text, *given])).data.languages() == ("en", "de")
    with pytest.raises(UsageError, match="'xx' is none of those of the model"):
        run_training([*flags, "name=none", "data.tgt_lang=xx"])


@pytest.mark.parametrize(
    ("old", "new", "noted"),
    [
        (["en", "wo"], ["wo", "en"], True),
        (["en", "wo"], ["en", "sw"], True),
        (["en", "wo"], ["eng_Latn", "wo-SN"], False),
        (["en", "wo"], ["src", "en"], False),
        (["en", "tgt"], ["wo", "en"], False),
        (["en", "wo", "both"], ["wo", "en"], False),
        (["en", "wo", "both"], ["wo", "sw"], True),
    ],
)
def test_a_run_of_other_languages_is_noted(
    old: list[str], new: list[str], noted: bool, tmp_path: Path
) -> None:
    run = RunFolder.at(tmp_path)
    data = DataConfig(src_lang=old[0], tgt_lang=old[1], both_directions="both" in old)
    run.write_config(Config(data=data))
    data = DataConfig(src_lang=new[1], tgt_lang=new[0], reverse=True)
    config = Config(data=data, trainer=TrainerConfig(init_from=str(tmp_path)))
    found = f"note: {tmp_path} translates en to wo, and this text is {new[0]} to {new[1]}"
    assert compare_languages(config) == ([found] if noted else [])


def test_rates_and_warm_up_of_fine_tuning() -> None:
    config = with_values(Config(), {"optim.optimizer": "adamw"})
    tuned = with_values(config, {"trainer.init_from": "runs/x"})
    usual, small = (choose_rate(each).values["optim.lr"] for each in (config, tuned))
    assert small == pytest.approx(FINE_TUNING["adamw"] * usual)
    assert choose_warmup(tuned, 1e9).values["optim.warmup"] == 100
    assert choose_warmup(tuned, 50).values["optim.warmup"] == 10
    assert choose_warmup(config, 1e9).values["optim.warmup"] == 1000


def test_words_with_bytes_are_counted(base, first: Path, tmp_path: Path) -> None:
    """Half of the source words have a character that the first vocabulary lacks."""
    from mt.data.prepare import prepare_run

    for side, line in (("src", "the ☃house the☃ cat"), ("tgt", "a b")):
        text = "".join(f"{line} {'x' * (number % 7)}{number}\n" for number in range(200))
        path = tmp_path / f"new.{side}"
        path.write_text(text.replace(" x", " "))
    config = load_config(
        [
            *base,
            f"trainer.init_from={first}",
            f"data.train.src={tmp_path}/new.src",
            f"data.train.tgt={tmp_path}/new.tgt",
        ]
    )
    data = prepare_run(inherit_settings(config), lambda _: None)
    pieces = data.tokenizer.pieces(data.tokenizer.encode("the ☃house the☃ cat"), "src")
    assert sum(piece.startswith("<0x") for piece in pieces) == 6
    source, target = unknown_shares(data)
    expected = sum(
        any(p.startswith("<0x") for p in data.tokenizer.pieces(data.tokenizer.encode(word), "src"))
        for word in ["the", "☃house", "the☃", "cat"]
    )
    assert expected == 2 and 0.35 < source <= 0.6 and target < source


def test_init_decay_pulls_all_weights_towards_their_start() -> None:
    """Against the formula; without a gradient, only the decay acts."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    config = OptimConfig(weight_decay=0.0, init_decay=2.0, eps=1e-9)
    optimizer = build_optimizer(config, model)
    start = [weight.detach().clone() for weight in model.parameters()]
    moved = [weight + 1.5 for weight in start]
    with torch.no_grad():
        for weight, value in zip(model.parameters(), moved, strict=True):
            weight.copy_(value)
    step(optimizer, model, 0.0)
    for weight, value, origin in zip(model.parameters(), moved, start, strict=True):
        torch.testing.assert_close(weight.detach(), value - 0.1 * 2.0 * (value - origin))
    kept = [weight.detach().clone() for weight in model.parameters()]
    step(optimizer, model, float("nan"))  # a step that is skipped
    assert all(torch.equal(w, k) for w, k in zip(model.parameters(), kept, strict=True))


def step(optimizer, model: nn.Module, gradient: float) -> None:
    gradients: list[Tensor] = []
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, gradient)
        gradients.append(weight.grad)
    apply_gradients(optimizer, gradients, torch.tensor(1.0), 0.0, 0.1)


def test_init_decay_needs_a_run() -> None:
    with pytest.raises(UsageError, match="optim.init_decay needs trainer.init_from"):
        load_config(["optim.init_decay=1"])


@pytest.mark.medium
def test_fine_tuning_with_init_decay_is_resumed_exactly(base, first: Path) -> None:
    given = [*base, f"trainer.init_from={first}", "optim.init_decay=5", "trainer.max_steps=4"]
    run_training([*given, "name=whole"])
    run_training([*given, "name=parts", "trainer.max_steps=2"])
    run_training([*given, "name=parts"])
    checkpoints = [load_file(RunFolder(first.with_name(n)).checkpoint) for n in ("whole", "parts")]
    assert all(torch.equal(checkpoints[0][key], checkpoints[1][key]) for key in checkpoints[0])
