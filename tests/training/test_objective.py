"""The training objective with each regulariser, for every model, and in whole trainings."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.training_runs import read_records, run_training
from helpers.variants import VARIANTS, VOCAB
from mt.config.compose import load_config
from mt.config.schema import Config, ModelConfig, RegulariseConfig
from mt.data.batching import Batch, make_batch
from mt.data.vocabulary import BOS, EOS, PAD
from mt.errors import UsageError
from mt.layers.input_dropout import cut_tokens, drop_words
from mt.models.build import build_model
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.training.objective import Objective

CPU = torch.device("cpu")
SMOOTHING, SEED = 0.1, 7
SPECIAL = torch.tensor([PAD, BOS, EOS])
REGULARISERS: dict[str, dict[str, float]] = {
    "rdrop": {"rdrop": 5},
    "simcut": {"simcut": 3, "cut": 0.3},
    "token cutoff": {"token_cutoff": 2, "cut": 0.3, "views": 2},
    "words": {"word_dropout_src": 0.2, "word_dropout_tgt": 0.3},
    "simcut and words": {"simcut": 3, "cut": 0.3, "word_dropout_src": 0.2},
}


def some_batch() -> Batch:
    """Return sentences of different lengths, in which pieces occur repeatedly."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(4, 12, (n,), generator=generator).tolist() for n in (9, 4, 6, 1, 7, 5)]
    return make_batch(rows[:3], rows[3:])


def settings(model: ModelConfig, **regularise: Any) -> Config:
    config = Config(model=model, regularise=RegulariseConfig(**regularise))
    config.optim.label_smoothing, config.trainer.precision = SMOOTHING, "fp32"
    return config


def training_model(model: ModelConfig) -> Seq2Seq:
    torch.manual_seed(1)
    built = build_model(model, VOCAB, VOCAB).train()
    for name, weight in built.named_parameters():
        if name.endswith("pattern.share"):  # a span at its limit only has gradients that shorten it
            weight.data.fill_(0.5)
    return built


def without_dropout(model: ModelConfig) -> ModelConfig:
    model = copy.deepcopy(model)
    model.dropout = 0.0
    return model


def gradients(model: Seq2Seq, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    named = model.named_parameters()
    return {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


@pytest.mark.parametrize("name", ["transformer", "rnn, hard", "luong, no feeding, coverage"])
def test_without_regularisers_it_is_the_cross_entropy_bit_for_bit(name: str) -> None:
    """The random numbers that are drawn are those of the model, too."""
    model, batch = training_model(VARIANTS[name]), some_batch()
    torch.manual_seed(SEED)
    output = model(batch.source, batch.source_mask, batch.target_input)
    expected, nll = cross_entropy(output.hidden, model.output, batch.target, SMOOTHING)
    for term in output.losses:
        expected = expected + term(nll, batch.target != PAD)
    state = torch.random.get_rng_state()
    expected_gradients = gradients(model, expected)
    torch.manual_seed(SEED)
    loss, got_nll = Objective(settings(VARIANTS[name]), CPU)(model, batch)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(loss, expected) and torch.equal(got_nll, nll.sum())
    got = gradients(model, loss)
    assert got.keys() == expected_gradients.keys()
    assert all(torch.equal(got[name], expected_gradients[name]) for name in got)


def draw_factors(batch: Batch, chosen: RegulariseConfig, passes: int) -> list[list[Tensor]]:
    """Draw the factors of embeddings as the objective does: for each pass, source and target."""
    sides = []
    for ids, words in (
        (batch.source, chosen.word_dropout_src),
        (batch.target_input, chosen.word_dropout_tgt),
    ):
        repeated = ids.repeat(passes, 1)
        factors = drop_words(repeated, words, SPECIAL) if words else torch.ones(repeated.shape)
        if chosen.simcut or chosen.token_cutoff:
            cut = cut_tokens(repeated, chosen.cut, SPECIAL)
            assert (cut[len(ids) :] == 0).any()
            cut[: len(ids)] = 1
            factors = factors * cut
        sides.append(factors.chunk(passes))
    return list(map(list, zip(*sides, strict=True)))


@contextlib.contextmanager
def scaled_embeddings(model: Seq2Seq, source: Tensor, target: Tensor):
    """Multiply the embeddings by factors [B, L], first of the source and then of the target."""
    factors = iter((source, target))
    embeddings = {model.source_embedding, model.target_embedding}
    hooks = [
        embedding.register_forward_hook(lambda _, inputs, output: output * next(factors)[..., None])
        for embedding in embeddings
    ]
    yield
    for hook in hooks:
        hook.remove()


def slow_objective(model: Seq2Seq, batch: Batch, chosen: RegulariseConfig) -> Tensor:
    """Compute the loss from one forward pass after the other, with all logits."""
    passes = 1 + bool(chosen.rdrop or chosen.simcut) + bool(chosen.token_cutoff) * chosen.views
    real, terms, losses, log_ps = batch.target != PAD, torch.zeros(()), [], []
    for source, target in draw_factors(batch, chosen, passes):
        with scaled_embeddings(model, source, target):
            output = model(batch.source, batch.source_mask, batch.target_input)
        log_p = model.output(output.hidden).log_softmax(-1)
        flat = log_p.flatten(0, 1), batch.target.flatten(), None, None, PAD, None, "none"
        losses.append(F.cross_entropy(*flat, label_smoothing=SMOOTHING).sum())
        nll = F.cross_entropy(*flat).view(batch.target.shape).detach()
        terms = terms + sum(term(nll, real) for term in output.losses) / passes
        log_ps.append(log_p[real])

    def kl(i: int, j: int) -> Tensor:
        return F.kl_div(log_ps[j], log_ps[i], reduction="sum", log_target=True)

    if chosen.rdrop:
        return terms + (losses[0] + losses[1] + chosen.rdrop * (kl(0, 1) + kl(1, 0)) / 2) / 2
    if chosen.simcut:
        return terms + losses[0] + chosen.simcut * kl(0, 1)
    if chosen.token_cutoff:
        log_ps.append(torch.stack(log_ps).exp().mean(0).log())
        divergence = sum(kl(i, passes) for i in range(passes)) / passes
        cut_losses = sum(losses[1:]) / chosen.views
        return terms + (losses[0] + cut_losses + chosen.token_cutoff * divergence) / 2
    return terms + losses[0]


# Passes that run together draw other numbers in hard attention than passes one by one.
UNSAMPLED = [name for name in VARIANTS if "hard" not in name]
CASES = [
    *((name, "simcut and words") for name in UNSAMPLED),
    *(("transformer", regulariser) for regulariser in REGULARISERS),
    *(("rnn, coverage", regulariser) for regulariser in REGULARISERS),
]


@pytest.mark.parametrize(("name", "regulariser"), dict.fromkeys(CASES))
def test_the_objective_equals_separate_passes_with_all_logits(name: str, regulariser: str) -> None:
    config = settings(without_dropout(VARIANTS[name]), **REGULARISERS[regulariser])
    model, batch = training_model(config.model), some_batch()
    torch.manual_seed(SEED)
    expected = slow_objective(model, batch, config.regularise)
    expected_gradients = gradients(model, expected)
    torch.manual_seed(SEED)
    loss, nll = Objective(config, CPU)(model, batch)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    got = gradients(model, loss)
    assert got.keys() == expected_gradients.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected_gradients[name], rtol=1e-3, atol=1e-4)
    if "words" not in regulariser:
        with torch.no_grad():
            hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
        plain = cross_entropy(hidden, model.output, batch.target)[1].sum()
        torch.testing.assert_close(nll, plain)  # of the pass without cut tokens


def test_tags_of_the_source_are_never_dropped() -> None:
    """Ids of the target may be the same in another vocabulary, and are dropped."""
    config = settings(VARIANTS["transformer"], simcut=1, cut=0.5, word_dropout_src=0.5)
    seen: list[Tensor] = []
    embedding = torch.nn.Embedding.from_pretrained(torch.ones(VOCAB, 1))
    objective, ids = Objective(config, CPU, ([7], [])), torch.randint(4, 9, (400, 10))
    for side in (0, 1):
        seen.append(objective._embed(embedding, ids, side)[..., 0])
    source, target = seen
    assert (source[ids == 7] == 1).all() and (source[ids != 7] == 0).any()
    assert (target[ids == 7] == 0).any()


@pytest.mark.parametrize("name", ["transformer", "rnn, gru"])
def test_r_drop_compares_passes_with_different_dropout(name: str) -> None:
    model, batch = training_model(VARIANTS[name]), some_batch()
    losses = []
    for alpha in (1e-9, 1.0):
        torch.manual_seed(SEED)
        losses.append(Objective(settings(VARIANTS[name], rdrop=alpha), CPU)(model, batch)[0].item())
    assert losses[1] > losses[0] + 1e-3


@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_a_gpu_would_not_have_to_wait(regulariser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device stands in for it: it has no values to look at."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    meta = torch.device("meta")
    config = settings(VARIANTS["transformer"], **REGULARISERS[regulariser])
    with meta:
        model = build_model(config.model, VOCAB, VOCAB).train()
    loss, nll = Objective(config, meta)(model, some_batch().to(meta))
    loss.backward()
    assert loss.shape == nll.shape == () and model.output.weight.grad is not None


def test_validation_and_reported_likelihood_are_those_of_plain_training(
    tiny_run: Any, tmp_path: Path
) -> None:
    base = [*tiny_run(60), "model/size=tiny", "trainer.test=false", "trainer.max_steps=2"]
    base += ["model.dropout=0", "optim.lr=0", "trainer.precision=fp32"]
    run_training([*base, "name=plain"])
    run_training([*base, "name=cut", "regularise=simcut", "regularise.cut=0.5"])
    plain, cut = (read_records(tmp_path / "runs" / name) for name in ("plain", "cut"))
    for one, other in zip(plain, cut, strict=True):
        key = "nll" if one["kind"] == "train" else "loss"
        assert other[key] == pytest.approx(one[key], rel=1e-5)
        if key == "nll":
            assert other["loss"] > one["loss"] + 0.01


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["regularise.rdrop=-1"], "regularise.rdrop must be >= 0 and <= 1,000, got -1.0"),
        (["regularise.cut=1"], "regularise.cut must be >= 0 and < 1, got 1.0"),
        (["regularise.word_dropout_tgt=1"], "regularise.word_dropout_tgt must be >= 0 and < 1"),
        (["regularise.views=0"], "regularise.views must be >= 1"),
        (["regularise=simcut", "regularise.rdrop=5"], "rdrop and regularise.simcut are different"),
        (["regularise=rdrop", "model.dropout=0"], "model.dropout must be > 0, got 0"),
        (["regularise=rdorp"], "did you mean regularise=rdrop"),
    ],
)
def test_bad_values_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_config(["auto=false", *overrides])


def test_r_drop_without_dropout_of_the_model_may_rely_on_word_dropout() -> None:
    config = load_config(["auto=false", "model.dropout=0", "regularise=[rdrop,word_dropout]"])
    assert config.regularise == RegulariseConfig(
        rdrop=5, word_dropout_src=0.1, word_dropout_tgt=0.1
    )
