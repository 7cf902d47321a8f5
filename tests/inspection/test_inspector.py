"""Weights on demand: `Inspector.translate` against the model itself, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mt
from helpers.attending_models import KINDS, LONG, tiny
from helpers.tiny_models import sentences
from mt.data.alignment_words import count_words
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS
from mt.decoding.token_budget import TokenBudget
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.inspection import inspector as inspector_module
from mt.inspection import teacher_forcing
from mt.inspection.maps.sentence_map import sentence_map
from mt.inspection.teacher_forcing import attention_shapes, attention_weights, require_kinds
from mt.models.seq2seq import Seq2Seq


@pytest.mark.parametrize(
    ("encoder", "decoder", "attention", "expected"),
    [
        (
            "transformer",
            "transformer",
            "additive",
            {"cross": (2, 2), "encoder": (1, 2), "decoder": (2, 2)},
        ),
        ("rnn", "transformer", "additive", {"cross": (2, 2), "decoder": (2, 2)}),
        ("transformer", "rnn", "additive", {"cross": (1, 1), "encoder": (1, 2)}),
        ("rnn", "rnn", "additive", {"cross": (1, 1)}),
        ("transformer", "rnn", "none", {"encoder": (1, 2)}),
    ],
)
@torch.no_grad()
def test_what_translate_returns_is_what_the_model_says(
    encoder, decoder, attention, expected, tokenizer: Tokenizer
) -> None:
    model = tiny(tokenizer.vocab_size(), encoder, decoder, attention)
    translator = Translator([model], tokenizer, max_pieces=40, precision="fp32")
    lines = ["the cat sees a dog .", "", LONG, "a tree"]
    found = mt.inspect(translator).translate(lines, beam=2)
    assert [each.text for each in found] == translator.translate(lines, beam=2)
    assert mt.inspect(translator).attention_shapes() == attention_shapes(model) == expected
    assert [len(each.attention) for each in found] == [1, 0, 6, 1]
    for pair in (pair for each in found for pair in each.attention):
        source, target = (
            [tokenizer.models[side].processor.piece_to_id(piece) for piece in each]
            for side, each in (("src", pair.source_pieces), ("tgt", pair.target_pieces))
        )
        source_ids = torch.tensor([[*source, EOS]])
        truth = model(
            source_ids, source_ids > 0, torch.tensor([[BOS, *target]]), need_weights=True
        ).attention
        for kind in KINDS:
            if kind not in expected:
                assert pair.piece_weights(kind) is None
                continue
            layers, heads = expected[kind]
            rows, columns = (
                len(source if kind == "encoder" else target) + 1,
                len(target if kind == "decoder" else source) + 1,
            )
            assert (
                pair.piece_weights(kind).shape == (layers, heads, rows, columns)
                and pair.piece_weights(kind).dtype == np.float32
            )
            np.testing.assert_allclose(pair.piece_weights(kind), truth[kind][0].numpy(), atol=1e-5)
            np.testing.assert_allclose(pair.piece_weights(kind).sum(-1), 1, atol=1e-5)
    one = mt.inspect(translator).translate(lines[0], beam=2)
    assert one.text == found[0].text and one.source == lines[0]


def test_parts_of_a_line_have_the_pieces_of_the_line(translator: Translator) -> None:
    found = mt.inspect(translator).translate(LONG)
    shown = [sentence_map(part, "") for part in found.attention]
    assert [word for each in shown for word in each.source] == LONG.split()
    assert sum(
        part.word_weights(kind="encoder").shape[0] for part in found.attention
    ) == count_words(LONG.strip())


def test_a_model_without_any_attention_says_so_before_it_searches(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator([tiny(tokenizer.vocab_size(), "rnn", "rnn", "none")], tokenizer)
    monkeypatch.setattr(translator.engine, "search", None)
    with pytest.raises(UsageError, match="the model has no attention"):
        mt.inspect(translator).translate(["the cat"])
    with pytest.raises(UsageError, match="the model has no attention"):
        list(mt.inspect(translator).translate_stream(["the cat"], attention=("cross",)))
    with pytest.raises(UsageError, match="the model has no attention"):
        mt.inspect(translator).attention([("the cat", "a dog")])


def test_kinds_that_a_model_has_not(tokenizer: Tokenizer) -> None:
    model = tiny(tokenizer.vocab_size(), "rnn", "transformer")
    with pytest.raises(UsageError, match="of the kind 'encoder': it has cross, decoder"):
        require_kinds([model], ("cross", "encoder"))


@pytest.mark.medium
def test_only_what_is_asked_for_is_kept_and_nbest_lists_stay_as_they_are(
    translator: Translator,
) -> None:
    lines = sentences(5)
    (pair,) = mt.inspect(translator).attention([("the cat", "a dog")], ("decoder",))
    assert (
        pair.piece_weights("cross") is None
        and pair.encoder is None
        and pair.decoder.shape[:2] == (2, 2)
    )
    (pair,) = mt.inspect(translator).attention([("the cat", "a dog")])
    assert pair.encoder is None and pair.decoder is None and pair.cross.shape[:2] == (2, 2)
    plain = list(mt.inspect(translator).translate_stream(lines, nbest=3, alignments=True))
    found = list(
        mt.inspect(translator).translate_stream(
            lines, nbest=3, alignments=True, attention=("cross",)
        )
    )
    assert [each.outputs for each in found] == [each.outputs for each in plain]
    assert all(each.attention is None for each in plain)
    sampled = [
        list(
            mt.inspect(translator).translate_stream(
                lines, nbest=2, sample=True, seed=1, attention=kinds
            )
        )
        for kinds in (None, ("encoder",))
    ]
    assert [[o.text for o in each.outputs] for each in sampled[0]] == [
        [o.text for o in each.outputs] for each in sampled[1]
    ]


def test_batches_are_bounded_by_their_weights(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(tokenizer.vocab_size(), "transformer", "transformer")
    pairs = list(zip(sentences(30), sentences(30, 1), strict=True))
    expected = attention_weights(model, tokenizer, pairs, TokenBudget(4096, print), kinds=KINDS)
    cells = []
    real = Seq2Seq.forward

    def watched(self, *arguments, **named):
        output = real(self, *arguments, **named)
        cells.append(
            (len(arguments[0]), sum(weights.numel() for weights in output.attention.values()))
        )
        return output

    monkeypatch.setattr(Seq2Seq, "forward", watched)
    monkeypatch.setattr(teacher_forcing, "MAX_BATCH_WEIGHTS", 20_000)
    found = attention_weights(model, tokenizer, pairs, TokenBudget(4096, print), kinds=KINDS)
    for one, other in zip(found, expected, strict=True):
        for kind in KINDS:
            np.testing.assert_allclose(
                one.piece_weights(kind), other.piece_weights(kind), atol=1e-6
            )
    # Padding and EOS come on top of the pieces that are counted.
    assert len(cells) > 4 and all(rows == 1 or size < 2 * 20_000 for rows, size in cells)


def test_weights_of_few_pairs_are_held_at_once(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = inspector_module.attention_weights
    monkeypatch.setattr(
        inspector_module, "attention_weights", lambda *a: calls.append(len(a[2])) or real(*a)
    )
    # Of the longer side, with its end mark, in 2 layers with 2 heads.
    (pair,) = mt.inspect(translator).attention([("the cat", "the cat")])
    monkeypatch.setattr(teacher_forcing, "MAX_BATCH_WEIGHTS", 3 * 4 * pair.cross.shape[-1] ** 2)
    calls.clear()
    stream = mt.inspect(translator).attention_stream([("the cat", "the cat")] * 8)
    next(stream)
    assert calls == [3]
    assert len(list(stream)) == 7 and calls == [3, 3, 2]
    monkeypatch.setattr(teacher_forcing, "MAX_BATCH_WEIGHTS", 1)
    calls.clear()
    found = mt.inspect(translator).translate_stream(["the cat"] * 4, attention=("cross",), beam=1)
    assert next(found).attention and calls == [1]
    assert len(list(found)) == 3 and calls == [1] * 4
