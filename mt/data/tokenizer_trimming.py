"""Tokenizers without the pieces that a text does not need.

What stays segments this text as before. SentencePiece splits text into words and

- a unigram model takes the best sum of scores: a segmentation that was the best of all is the best
  of fewer. The score of a character without a piece follows from the lowest score of all pieces,
  so that the piece with that score stays;
- a BPE model merges neighbours in the order of its pieces, so that the pieces on the way to a piece
  must stay. No merge crosses the ends of a piece of the result: these pieces are those on the way
  from the characters of the piece to itself.

The characters of the text stay as well, so that its rarer words can be spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from mt.data.sampling import BPEDropout, Pieces
from mt.data.sentencepiece_model import SentencePieceModel
from mt.data.sentencepiece_proto import fixed_pieces, keep_pieces, ordinary_scores
from mt.data.tags import tag_piece
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import SPECIAL_TOKENS, Vocabulary

Rows = dict[str, list[int]]  # side -> the ids that stay, in order


def trim_tokenizer(tokenizer: Tokenizer, needed: Mapping[str, set[str]]) -> tuple[Tokenizer, Rows]:
    """Return a tokenizer with the `needed` pieces of each side, and the ids that stay.

    Special tokens, tags, languages, symbols and bytes stay, too. See `needed_pieces`.
    """
    kept = dict(needed)
    if tokenizer.joint:
        kept = dict.fromkeys(kept, set().union(*kept.values()))
    shared = set().union(*kept.values())
    sides = (kept["src"], kept["tgt"]) if len(tokenizer.contents) == 2 else (shared,)
    trimmed = [keep_pieces(each, own) for each, own in zip(tokenizer.contents, sides, strict=True)]
    contents = [content for content, _ in trimmed]
    rows = [ids for _, ids in trimmed]
    vocabularies: list[Vocabulary] = []
    if tokenizer.vocabularies:
        fixed = set().union(*map(fixed_pieces, tokenizer.contents))
        languages = tokenizer.languages
        fixed |= set(map(tag_piece, languages.codes)) if languages else set()
        groups = [kept[side] | fixed | tokenizer.models[side].tags.keys() for side in kept]
        rows = []
        for vocabulary, own in zip(tokenizer.vocabularies, groups, strict=False):
            pieces = list(enumerate(vocabulary.pieces))
            pieces = [(i, each) for i, each in pieces if i < SPECIAL_TOKENS or each in own]
            vocabularies.append(Vocabulary([piece for _, piece in pieces]))
            rows.append([i for i, _ in pieces])
    result = Tokenizer(
        *contents,
        vocabularies=vocabularies,
        symbols=tokenizer.symbols,
        languages=tokenizer.languages,
    )
    return result, {"src": rows[0], "tgt": rows[-1]}


def needed_pieces(model: SentencePieceModel, texts: Iterable[Sequence[str]]) -> set[str]:
    """Return the pieces that a model needs to segment chunks of marked texts as it does.

    The characters of the texts are among them.
    """
    used: set[str] = set()
    for chunk in texts:
        used.update(chain.from_iterable(model.segment(chunk)))
    scores = ordinary_scores(model.serialized)
    needed = used | set().union(*(used & scores.keys()))
    if model.is_bpe:
        return needed | merged_pieces(model.vocabulary, used)
    return needed | {min(scores, key=scores.__getitem__)} if needed else needed


def merged_pieces(pieces: Pieces, used: Iterable[str]) -> set[str]:
    """Return all pieces on the way from characters to those of a segmentation by BPE."""
    bpe = BPEDropout(pieces, alpha=0.0)
    return {part for piece in used for parts in bpe.states(piece, lambda: 1.0) for part in parts}
