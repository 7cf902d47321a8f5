"""Parts of Transformer layers besides attention, against formulas and published constants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mt.config.schema import ModelConfig, TransformerConfig
from mt.models.build import build_model
from mt.models.transformer.sublayers import DeepNorm, FeedForward, Sublayer


def config(**changes) -> ModelConfig:
    return ModelConfig(
        dim=8, dropout=0.0, transformer=TransformerConfig(heads=2, ff_dim=12, **changes)
    )


def test_norm_placements_equal_their_formulas():
    torch.manual_seed(0)
    x, function = torch.randn(2, 3, 8), nn.Linear(8, 8)

    def normed(y: torch.Tensor) -> torch.Tensor:
        return (y - y.mean(-1, keepdim=True)) / (
            y.var(-1, keepdim=True, correction=0) + 1e-5
        ).sqrt()

    expected = {
        "pre": x + function(normed(x)),
        "post": normed(x + function(x)),
        "sandwich": x + normed(function(normed(x))),
        "deepnorm": normed(1.5 * x + function(x)),
    }
    for place, wanted in expected.items():
        torch.testing.assert_close(
            Sublayer(config(norm=place), 1.5 if place == "deepnorm" else 1.0)(x, function), wanted
        )


def test_rms_norm_equals_the_formula():
    x = torch.randn(2, 8)
    sublayer = Sublayer(config(norm="post", norm_kind="rms"))
    y = 2 * x
    torch.testing.assert_close(
        sublayer(x, lambda x: x), y / (y.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    )
    assert sublayer(x.bfloat16(), lambda x: x).dtype == torch.bfloat16


def test_swiglu_equals_the_formula_and_keeps_the_number_of_weights():
    torch.manual_seed(0)
    gated, plain = FeedForward(config(activation="swiglu")), FeedForward(config())
    x = torch.randn(2, 8)
    (a, b), (bias_a, bias_b) = gated.wide.weight.chunk(2), gated.wide.bias.chunk(2)
    hidden = x @ a.T + bias_a
    torch.testing.assert_close(
        gated(x), gated.narrow(hidden * hidden.sigmoid() * (x @ b.T + bias_b))
    )
    matrices = [
        sum(p.numel() for p in module.parameters() if p.dim() == 2) for module in (gated, plain)
    ]
    assert matrices[0] == matrices[1]


def test_deepnorm_has_the_constants_of_the_paper():
    """Wang et al. 2022, figure 2, for N = M = 18.

    Encoder: 0.81 * (18^5)^(1/16), 0.87 * (18^5)^(-1/16). Decoder: 54^(1/4), 216^(-1/4).
    """
    deep = config(norm="deepnorm", encoder_layers=18, decoder_layers=18)
    encoder, decoder = DeepNorm(deep, decoder=False), DeepNorm(deep, decoder=True)
    assert (encoder.residual, encoder.gain) == pytest.approx((1.9985, 0.3526), abs=1e-3)
    assert (decoder.residual, decoder.gain) == pytest.approx((2.7108, 0.2608), abs=1e-3)
    deep.decoder = "rnn"  # the encoder alone: (2 * 18)^(1/4), (8 * 18)^(-1/4)
    alone = DeepNorm(deep, decoder=False)
    assert (alone.residual, alone.gain) == pytest.approx((2.4495, 0.2887), abs=1e-3)


def test_deepnorm_of_a_decoder_counts_cross_attention_in_a_hybrid_too():
    hybrid = config(norm="deepnorm", encoder_layers=2, decoder_layers=18)
    hybrid.encoder = "rnn"
    decoder = DeepNorm(hybrid, decoder=True)
    assert (decoder.residual, decoder.gain) == pytest.approx((2.7108, 0.2608), abs=1e-3)
    layer = build_model(hybrid, 30, 30).decoder.layers[0]
    sublayers = (layer.around_self, layer.around_cross, layer.around_feed_forward)
    assert [sublayer.residual for sublayer in sublayers] == pytest.approx([2.7108] * 3, abs=1e-3)


def test_deepnorm_scales_values_and_outputs_but_not_queries_and_keys():
    def spread(name: str) -> dict[str, float]:
        torch.manual_seed(0)
        weights = build_model(config(norm=name), 30, 30).encoder.layers[0].state_dict()
        key, value = weights["attention.key_value.weight"].chunk(2)
        found = {"key": key, "value": value} | {
            n: weights[n] for n in ("attention.query.weight", "attention.out.weight")
        }
        return {n: w.std().item() for n, w in found.items()}

    plain, deep = spread("post"), spread("deepnorm")
    gain = DeepNorm(config(norm="deepnorm"), decoder=False).gain
    ratios = {name: deep[name] / plain[name] for name in plain}
    assert ratios == pytest.approx(
        {"key": 1, "value": gain, "attention.query.weight": 1, "attention.out.weight": gain},
        rel=1e-4,
    )


@pytest.mark.parametrize(
    "changes", [{}, {"position": "shaw", "attention_dropout": 0.3}, {"pattern": "adaptive_span"}]
)
def test_recomputation_does_not_change_gradients(changes):
    """With dropout, recomputation must draw the same random numbers."""
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        settings = ModelConfig(
            dim=8,
            dropout=0.2,
            transformer=TransformerConfig(heads=2, ff_dim=12, recompute=recompute, **changes),
        )
        model = build_model(settings, 30, 30)
        source, target = torch.randint(4, 30, (3, 7)), torch.randint(4, 30, (3, 6))
        torch.manual_seed(1)
        output = model(source, source > 0, target)
        loss = output.hidden.square().sum() + sum(
            term(torch.zeros(3, 6), target > 0) for term in output.losses
        )
        calls = []
        for layer in (*model.encoder.layers, *model.decoder.layers):
            layer.feed_forward.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        found.append(
            torch.autograd.grad(
                loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True
            )
        )
        assert len(calls) == (6 if recompute else 0)  # recomputed in the backward pass
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_span_loss_counts_once_per_real_target_token():
    model = build_model(config(pattern="adaptive_span", window=10, span_cost=0.5), 30, 30).train()
    source, target = torch.randint(4, 30, (3, 7)), torch.randint(4, 30, (3, 6))
    real = torch.ones(3, 6, dtype=torch.bool)
    real[0, 4:] = False
    terms = [term(torch.zeros(3, 6), real) for term in model(source, source > 0, target).losses]
    assert [term.item() for term in terms] == pytest.approx(
        [0.5 * 10 * 16] * 2
    )  # encoder and decoder, all spans at 10
    sum(terms).backward()
    assert all(layer.attention.pattern.share.grad.min() > 0 for layer in model.encoder.layers)
    assert model.eval()(source, source > 0, target).losses == []
