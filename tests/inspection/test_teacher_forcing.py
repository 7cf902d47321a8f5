"""The weights of models on given pairs, and the step that a decoder's query depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.alignment_models import sentence_pairs, three_layer_model, token_budget
from mt.data.alignment_words import count_words
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS
from mt.inspection.teacher_forcing import attention_weights

FAMILIES = [
    (encoder, decoder) for encoder in ("transformer", "rnn") for decoder in ("transformer", "rnn")
]


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
@torch.no_grad()
def test_query_reads_input_says_what_the_query_depends_on(encoder: str, decoder: str) -> None:
    model = three_layer_model(40, encoder, decoder)
    source = torch.randint(4, 40, (1, 6))
    one = torch.tensor([[BOS, 5, 6, 7, 8, 9]])
    other = one.clone()
    other[0, 3] = 20
    before, after = (
        model(source, source > 0, target, need_weights=True).attention["cross"]
        for target in (one, other)
    )
    changed = (before - after).abs().amax((0, 1, 2, 4)) > 1e-7  # [T]
    first = changed.tolist().index(True)
    assert first == (3 if model.decoder.query_reads_input else 4)
    assert model.decoder.query_reads_input == (decoder == "transformer")


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
def test_weights_do_not_depend_on_the_batch(
    encoder: str, decoder: str, tokenizer: Tokenizer
) -> None:
    model = three_layer_model(tokenizer.vocab_size(), encoder, decoder)
    pairs = [*sentence_pairs(12), ("the cat", ""), ("", "a dog"), ("", "")]
    together = attention_weights(model, tokenizer, pairs, token_budget())
    for pair, found in zip(pairs, together, strict=True):
        alone = attention_weights(model, tokenizer, [pair], token_budget())[0]
        source, target = (tokenizer.encode(text) for text in pair)
        layers, heads = (3, 2) if decoder == "transformer" else (1, 1)
        assert (
            found.cross.shape
            == alone.cross.shape
            == (layers, heads, len(target) + 1, len(source) + 1)
        )
        np.testing.assert_allclose(found.cross, alone.cross, atol=1e-6)
        np.testing.assert_allclose(found.cross.sum(-1), 1, atol=1e-5)
        assert (found.source_pieces, found.target_pieces) == (
            tokenizer.pieces(source),
            tokenizer.pieces(target),
        )
        assert found.word_weights().shape == (count_words(pair[1]), count_words(pair[0]))
    tokens = [(tokenizer.encode(source), tokenizer.encode(target)) for source, target in pairs]
    for small, found in zip(
        attention_weights(model, tokenizer, tokens, token_budget(40)), together, strict=True
    ):
        np.testing.assert_allclose(small.cross, found.cross, atol=1e-6)
