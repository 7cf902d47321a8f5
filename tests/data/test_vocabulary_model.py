"""SentencePiece models whose ids come from a vocabulary apart from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.hub_models import ODD_LINES, SOURCE_WORDS, TARGET_WORDS, lines, pieces_of, train_spm
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import UNK, Vocabulary
from mt.errors import MTError

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    models = [
        train_spm(words, 60, model_type=request.param) for words in (SOURCE_WORDS, TARGET_WORDS)
    ]
    pieces = {piece for model in models for piece in pieces_of(model)} - set(SPECIAL)
    ordered = [*SPECIAL, *sorted(pieces - {"▁"}), ">>fra<<", "▁"]
    return Tokenizer(*models, vocabularies=[Vocabulary(ordered)])


def test_both_sides_share_the_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer.joint and tokenizer.vocab_size("src") == tokenizer.vocab_size("tgt")
    for side, words in (("src", SOURCE_WORDS), ("tgt", TARGET_WORDS)):
        for line in lines(20, words, seed=5):
            ids = tokenizer.encode(line, side)
            assert tokenizer.decode(ids, side) == line
            assert "".join(tokenizer.pieces(ids, side)) == "▁" + line.replace(" ", "▁")


def test_samples_are_segmentations_of_the_normalised_text(tokenizer: Tokenizer) -> None:
    certain = 1e9 if tokenizer.kind == "unigram" else 1e-12
    for text in [*ODD_LINES, *(f">>fra<< {line}" for line in lines(20, SOURCE_WORDS, seed=6))]:
        usual = tokenizer.encode(text)
        # SentencePiece does not look up the text of what it does not know; samples do.
        if UNK not in usual:
            assert tokenizer.sample(text, "src", certain, 1) == usual
        sampled = tokenizer.sample(text, "src", 0.3, 1)
        if UNK not in sampled and UNK not in usual:
            assert tokenizer.decode(sampled) == tokenizer.decode(usual)
    assert len({tuple(tokenizer.sample("the house", "src", 0.3, seed)) for seed in range(30)}) > 1


def test_it_is_stored_and_loaded_with_its_vocabulary(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    names = {"tokenizer.src.model", "tokenizer.tgt.model", "vocabulary.json"}
    assert {path.name for path in tmp_path.iterdir()} == names == set(tokenizer.files())
    loaded = Tokenizer.load(tmp_path)
    assert loaded.serialized() == tokenizer.serialized()
    assert loaded.encode("the dog ☃") == tokenizer.encode("the dog ☃")
    for content in ('["a"]', "{", '{"a": 1}', json.dumps([*SPECIAL, "a", "a"])):
        (tmp_path / "vocabulary.json").write_text(content)
        with pytest.raises(MTError, match="cannot use the tokenizer"):
            Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.tgt.model").unlink()
    with pytest.raises(MTError, match="no tokenizer.tgt.model"):
        Tokenizer.load(tmp_path)


def test_vocabularies_of_another_model_are_refused() -> None:
    model = train_spm(SOURCE_WORDS, 60)
    with pytest.raises(ValueError, match="belongs to another model"):
        Tokenizer(model, model, vocabularies=[Vocabulary([*SPECIAL, "▁a", "▁b"])])
