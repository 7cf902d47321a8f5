"""Recurrent encoders and decoders against loops over PyTorch's cells, and the coverage loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.recurrent_attention import model_of
from helpers.variants import tiny
from mt.config.schema import ModelConfig, RNNConfig
from mt.models.recurrent.cells import RNN_CLASSES, gru_update, lstm_update, run_rnn, run_stepwise
from mt.models.recurrent.encoder import RNNEncoder
from mt.models.recurrent.luong import LuongDecoder
from mt.models.seq2seq import Memory


def test_parameter_names_match_saved_models():
    names = {name for name in model_of().state_dict() if name.startswith("decoder.")}
    cell = {f"{part}.{kind}" for part in ("word", "state") for kind in ("weight", "bias")} | {
        "context.weight"
    }
    score = {"query.weight", "key.weight", "key.bias", "energy.weight"}
    assert names == {
        *(f"decoder.cell.{name}" for name in cell),
        *(f"decoder.cell.attention.score.{name}" for name in score),
        *(
            f"decoder.{part}.{kind}"
            for part in ("readout.join", "start")
            for kind in ("weight", "bias")
        ),
    }


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("feeding", [True, False])
def test_luong_decoder_equals_a_loop_over_pytorch_cells(cell, feeding):
    """Luong et al. 2015, equation 5 and section 3.3."""
    torch.manual_seed(2)
    model = model_of(attention="general", placement="luong", input_feeding=feeding, cell=cell)
    decoder = model.decoder
    assert isinstance(decoder, LuongDecoder)
    kernel = decoder.recurrence
    step = (nn.GRUCell if cell == "gru" else nn.LSTMCell)(kernel.input_size, kernel.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        nn.init.normal_(getattr(kernel, f"{name}_l0"))
        getattr(step, name).data = getattr(kernel, f"{name}_l0").data
    memory = Memory(
        torch.randn(2, 5, 12), torch.arange(5) < torch.tensor([5, 3])[:, None], torch.randn(2, 6)
    )
    words = torch.randn(2, 4, 8)
    state, vector, expected = decoder.start(memory.summary).tanh(), torch.zeros(2, 8), []
    inner = torch.zeros_like(state)
    for t in range(4):
        x = torch.cat((words[:, t], vector), 1) if feeding else words[:, t]
        if cell == "gru":
            state = step(x, state)
        else:
            state, inner = step(x, (state, inner))
        context = []
        for row in range(2):
            real = memory.states[row][memory.mask[row]]
            weights = (real @ decoder.attention.score.key.weight.T @ state[row]).softmax(0)
            context.append(weights @ real)
        vector = torch.tanh(
            torch.cat((torch.stack(context), state), 1) @ decoder.combine.weight.T
            + decoder.combine.bias
        )
        expected.append(vector)
    torch.testing.assert_close(decoder(words, memory).hidden, torch.stack(expected, 1))


@pytest.mark.parametrize(
    "changes", [{}, {"placement": "luong"}, {"placement": "luong", "input_feeding": False}], ids=str
)
def test_query_reads_input_is_true_of_the_decoder(changes):
    torch.manual_seed(3)
    model = model_of(**changes).eval()
    source, target = torch.randint(4, 12, (2, 5)), torch.randint(4, 11, (2, 6))
    changed = target.clone()
    changed[:, 3] = 11
    before, after = (
        model(source, source > 0, x, need_weights=True).attention["cross"]
        for x in (target, changed)
    )
    differ = [not torch.allclose(before[..., t, :], after[..., t, :], atol=1e-7) for t in range(6)]
    assert differ == [False] * 3 + [model.decoder.query_reads_input] + [True] * 2


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_unidirectional_encoder_equals_pytorch(cell, reverse):
    torch.manual_seed(4)
    config = ModelConfig(
        "rnn",
        "rnn",
        dim=8,
        dropout=0.1,
        rnn=RNNConfig(hidden=6, cell=cell, bidirectional=False, reverse_source=reverse),
    )
    encoder = RNNEncoder(config).eval()
    x, lengths = torch.randn(3, 5, 8), [5, 2, 4]
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    memory = encoder(x, mask)
    assert (encoder.dim, encoder.summary_dim) == (6, 6)
    for row, length in enumerate(lengths):
        sentence = x[row, :length].flip(0) if reverse else x[row, :length]
        states = encoder.layers[0].rightward(sentence)[0]
        torch.testing.assert_close(memory.summary[row], states[-1])
        torch.testing.assert_close(
            memory.states[row, :length], states.flip(0) if reverse else states
        )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"placement": "luong"},
        {"placement": "luong", "input_feeding": False, "attention": "general"},
        {"attention_heads": 2},
    ],
    ids=str,
)
def test_coverage_loss_equals_the_formula(changes):
    """See et al. 2017, equations 10 and 12: sum_t sum_j min(a_tj, sum_{u < t} a_uj).

    t runs over real target tokens.
    """
    torch.manual_seed(5)
    model = model_of(coverage=True, coverage_loss=0.7, **changes)
    source, target = torch.randint(4, 12, (2, 5)), torch.randint(4, 12, (2, 4))
    mask, real = (
        torch.arange(5) < torch.tensor([5, 3])[:, None],
        torch.arange(4) < torch.tensor([4, 2])[:, None],
    )
    output = model(source, mask, target, need_weights=True)
    expected = 0.0
    for row, heads in enumerate(output.attention["cross"][:, 0].tolist()):
        for weights in heads:
            covered = [0.0] * 5
            for t in range(int(real[row].sum())):
                expected += (
                    0.7
                    * sum(min(a, c) for a, c in zip(weights[t], covered, strict=True))
                    / len(heads)
                )
                covered = [c + a for c, a in zip(covered, weights[t], strict=True)]
    (term,) = output.losses
    assert term(torch.zeros(2, 4), real).item() == pytest.approx(expected, rel=1e-5)
    assert model.eval()(source, mask, target).losses == []


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_stepwise_rnn_equals_pytorch(kind):
    torch.manual_seed(0)
    kernel, x = RNN_CLASSES[kind](5, 4, batch_first=True), torch.randn(3, 6, 5, requires_grad=True)
    start = tuple(torch.randn(3, 4, requires_grad=True) for _ in range(1 if kind == "gru" else 2))
    inputs = (x, *start, *kernel.parameters())
    (expected, last), (found, state) = (way(kernel, x, start) for way in (run_rnn, run_stepwise))
    torch.testing.assert_close((found, state), (expected, last))
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), inputs),
        torch.autograd.grad(expected.square().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    with torch.autocast("cpu", torch.bfloat16):
        low, state = run_rnn(kernel, x)
    assert [each.dtype for each in (low, *state)] == [torch.float32] * (1 + len(start))
    expected, _ = run_rnn(kernel, x)
    assert 0 < (low - expected).abs().max() < 0.02


@pytest.mark.parametrize(
    ("update", "cell"), [(gru_update, nn.GRUCell), (lstm_update, nn.LSTMCell)], ids=["gru", "lstm"]
)
def test_cells_equal_pytorch(update, cell):
    torch.manual_seed(5)
    reference = cell(4, 6)
    x = torch.randn(3, 4, requires_grad=True)
    state = tuple(
        torch.randn(3, 6, requires_grad=True) for _ in range(2 if cell is nn.LSTMCell else 1)
    )

    def run():
        return update(
            x @ reference.weight_ih.T + reference.bias_ih,
            state[0] @ reference.weight_hh.T + reference.bias_hh,
            state,
        )

    expected = reference(x, state if cell is nn.LSTMCell else state[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    with torch.no_grad():
        torch.testing.assert_close(run(), expected)
    found, inputs = run(), (x, *state, *reference.parameters())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(sum(y.square().sum() for y in z), inputs) for z in (found, expected))
    )


def test_bidirectional_encoder_equals_pytorch_with_packing():
    torch.manual_seed(6)
    config = tiny("rnn", "rnn")
    config.rnn.encoder_layers = 1
    encoder = RNNEncoder(config).eval()
    reference = nn.GRU(config.dim, config.rnn.hidden, batch_first=True, bidirectional=True)
    forward, backward = encoder.layers[0].rightward, encoder.layers[0].leftward
    for kind in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(reference, kind).data = getattr(forward, kind).data
        getattr(reference, f"{kind}_reverse").data = getattr(backward, kind).data
    x, lengths = torch.randn(3, 5, config.dim), torch.tensor([5, 2, 4])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, last = reference(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
    mask = torch.arange(5) < lengths[:, None]
    memory = encoder(x, mask)
    torch.testing.assert_close(memory.states * mask[..., None], expected)
    torch.testing.assert_close(
        memory.summary, last[1]
    )  # the backward direction ends at the first token
