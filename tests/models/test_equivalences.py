"""Equivalences that hold for every model variant, and parts of models against PyTorch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from helpers.variants import VARIANTS, VOCAB, tiny
from mt.config.model_schema import POSITION_NAMES
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.models.build import build_model
from mt.models.seq2seq import DecodingState


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def model(request):
    torch.manual_seed(0)
    return build_model(request.param, VOCAB, VOCAB).eval()


@pytest.fixture
def batch():
    """Return three sentences of lengths 7, 5 and 3, with targets of length 6."""
    torch.manual_seed(1)
    source = torch.randint(4, VOCAB, (3, 7))
    mask = torch.arange(7) < torch.tensor([7, 5, 3])[:, None]
    return source * mask, mask, torch.randint(4, VOCAB, (3, 6))


PATTERNS = ("multiscale", "adaptive_span", "linear")
SPARSE = ("window", "strided")  # tested with every position scheme


@pytest.fixture(
    params=[
        *((pattern, "sinusoidal") for pattern in PATTERNS),
        *((pattern, position) for pattern in SPARSE for position in POSITION_NAMES),
        *(("multiscale", "t5"), ("adaptive_span", "t5"), ("full", "t5")),
    ],
    ids=str,
)
def long_model(request):
    """Return a model with a sparse pattern, and a batch long enough for sparse attention."""
    pattern, position = request.param
    torch.manual_seed(0)
    model = build_model(
        tiny("transformer", "transformer", pattern=pattern, position=position, window=4, stride=4),
        VOCAB,
        VOCAB,
    ).eval()
    source = torch.randint(4, VOCAB, (2, 95))
    mask = torch.arange(95) < torch.tensor([95, 81])[:, None]
    return model, source * mask, mask, torch.randint(4, VOCAB, (2, 90))


@torch.no_grad()
def test_incremental_decoding_of_long_sentences_equals_teacher_forcing(long_model):
    """Sparse attention, full attention with a mask and incremental decoding agree."""
    model, source, mask, target = long_model
    whole = logits(model, source, mask, target)
    torch.testing.assert_close(
        model.output(model(source, mask, target, need_weights=True).hidden),
        whole,
        atol=1e-4,
        rtol=1e-4,
    )
    alone = logits(model, source[1:, :81], mask[1:, :81], target[1:])
    torch.testing.assert_close(whole[1:], alone, atol=1e-4, rtol=1e-4)
    state = model.init_state(model.encode(source, mask))
    for t in range(target.shape[1]):
        got, state, _ = model.step(target[:, t], state)
        torch.testing.assert_close(got, whole[:, t], atol=1e-4, rtol=1e-4)


def logits(model, source, mask, target):
    return model.output(model(source, mask, target).hidden)


def some_loss(model, source, mask, target):
    """Return a loss that depends on all logits and includes all extra losses."""
    output = model(source, mask, target)
    nll, real = torch.rand(target.shape, device=target.device), target > 6
    return model.output(output.hidden).float().sum() + sum(
        term(nll, real) for term in output.losses
    )


def test_incremental_decoding_equals_teacher_forcing(model, batch):
    source, mask, target = batch
    whole = model(source, mask, target, need_weights=True)
    state = model.init_state(model.encode(source, mask))
    for t in range(target.shape[1]):
        got, state, attention = model.step(target[:, t], state, need_weights=True)
        torch.testing.assert_close(got, model.output(whole.hidden)[:, t], atol=1e-5, rtol=1e-5)
        assert ("cross" in attention) == ("cross" in whole.attention) == model.decoder.attends
        if model.decoder.attends:
            torch.testing.assert_close(
                attention["cross"][:, :, :, 0],
                whole.attention["cross"][:, :, :, t],
                atol=1e-5,
                rtol=1e-5,
            )
    assert state.step == target.shape[1]


def test_hypotheses_of_a_sentence_do_not_mix(model, batch):
    """Three reordered hypotheses per sentence equal the same prefixes decoded alone."""
    source, mask, _ = batch
    beam, length = 3, 4
    torch.manual_seed(2)
    prefixes = torch.randint(4, VOCAB, (len(source) * beam, length))
    state = model.init_state(model.encode(source, mask), beam)
    for t in range(length):
        got, state, _ = model.step(prefixes[:, t], state)
        order = torch.cat(
            [torch.randperm(beam) + beam * sentence for sentence in range(len(source))]
        )
        prefixes, got, state = prefixes[order], got[order], state.select(order)
    expected = logits(
        model, source.repeat_interleave(beam, 0), mask.repeat_interleave(beam, 0), prefixes
    )[:, -1]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


class Recomputed:
    """A model without a cache, which reads the whole prefix at each step."""

    def __init__(self, model):
        self.model = model

    def encode(self, source, mask):
        return source, mask

    def init_state(self, memory, beam):
        source, mask = memory
        return DecodingState((source, mask), torch.zeros(len(source) * beam, 0, dtype=torch.long))

    def step(self, tokens, state):
        prefix = torch.cat([state.cache, tokens[:, None]], 1)
        beam = len(prefix) // len(state.memory[0])
        source, mask = (x.repeat_interleave(beam, 0) for x in state.memory)
        return (
            logits(self.model, source, mask, prefix)[:, -1],
            DecodingState(state.memory, prefix, state.step + 1),
            {},
        )


@torch.no_grad()
def test_beam_search_with_a_cache_equals_beam_search_without(model, batch):
    source, mask, _ = batch
    options = SearchOptions(beam=4, nbest=4, max_ratio=0.0, max_extra=6)
    for found, expected in zip(
        search(model, source, mask, options),
        search(Recomputed(model), source, mask, options),
        strict=True,
    ):
        assert [hypothesis.tokens for hypothesis in found] == [
            hypothesis.tokens for hypothesis in expected
        ]
        assert [h.log_prob for h in found] == pytest.approx(
            [h.log_prob for h in expected], abs=1e-4
        )


def test_removing_sentences_does_not_change_the_others(model, batch):
    source, mask, target = batch
    beam = 2
    rows = target.repeat_interleave(beam, 0)
    state = model.init_state(model.encode(source, mask), beam)
    _, state, _ = model.step(rows[:, 0], state)
    expected, *_ = model.step(rows[:, 1], state)
    state = state.select_sentences(torch.tensor([0, 2]), torch.tensor([0, 1, 4, 5]))
    got, *_ = model.step(rows[[0, 1, 4, 5], 1], state)
    torch.testing.assert_close(got, expected[[0, 1, 4, 5]], atol=1e-5, rtol=1e-5)


def test_neither_padding_nor_neighbours_change_a_sentence(model, batch):
    source, mask, target = batch
    together = logits(model, source, mask, target)
    for row in range(len(source)):
        length = int(mask[row].sum())
        alone = logits(
            model,
            source[row : row + 1, :length],
            mask[row : row + 1, :length],
            target[row : row + 1],
        )
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


def test_padding_gets_no_attention(model, batch, request):
    if not model.decoder.attends:
        pytest.skip("no attention")
    source, mask, target = batch
    weights = model(source, mask, target, need_weights=True).attention["cross"]
    assert weights[1, ..., 5:].abs().max() == 0
    if "local_p" in request.node.callspec.id:  # its Gaussian factor reduces the weights
        assert 0 < weights.sum(-1).min() < weights.sum(-1).max() <= 1 + 1e-6
    else:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_without_attention_the_decoder_depends_on_the_summary_only(batch):
    torch.manual_seed(0)
    model = build_model(tiny("rnn", "rnn", attention="none"), VOCAB, VOCAB).eval()
    source, mask, target = batch
    memory = model.encode(source, mask)
    embedded = model.target_embedding(target)
    expected = model.decoder(embedded, memory).hidden
    got = model.decoder(
        embedded, dataclasses.replace(memory, states=torch.randn_like(memory.states))
    ).hidden
    torch.testing.assert_close(got, expected, atol=0, rtol=0)
    assert not torch.allclose(
        model.decoder(embedded, dataclasses.replace(memory, summary=memory.summary.flip(0))).hidden,
        expected,
    )


def test_no_position_sees_a_later_target(model, batch):
    source, mask, target = batch
    changed = target.clone()
    changed[:, 4:] = 5
    before, after = logits(model, source, mask, target), logits(model, source, mask, changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


def test_a_sentence_of_padding_only_is_finite(model, batch):
    source, mask, target = batch
    mask = mask.clone()
    mask[1] = False
    assert logits(model, source, mask, target).isfinite().all()
    model.train()
    some_loss(model, source, mask, target).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def agree_on_gpu(model, source, mask, target):
    """Check that outputs, incremental decoding and gradients agree with a CPU."""
    expected = logits(model, source, mask, target)
    gradients = torch.autograd.grad(
        expected.square().mean(), list(model.parameters()), allow_unused=True
    )
    model.cuda()
    source, mask, target = source.cuda(), mask.cuda(), target.cuda()
    got = logits(model, source, mask, target)
    torch.testing.assert_close(got.cpu(), expected, atol=1e-4, rtol=1e-4)
    found = torch.autograd.grad(got.square().mean(), list(model.parameters()), allow_unused=True)
    for one, other in zip(found, gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one.cpu(), other, atol=1e-4, rtol=1e-3)
    state = model.init_state(model.encode(source, mask))
    for t in range(target.shape[1]):
        step, state, _ = model.step(target[:, t], state)
        torch.testing.assert_close(step.cpu(), expected[:, t], atol=1e-4, rtol=1e-4)
    model.train()
    with torch.autocast("cuda", torch.bfloat16):
        model.output(model(source, mask, target).hidden).float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cpu_and_gpu_agree(model, batch):
    agree_on_gpu(model, *batch)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cpu_and_gpu_agree_on_long_sentences(long_model):
    agree_on_gpu(*long_model)
