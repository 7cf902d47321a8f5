"""Vocabularies with further pieces, learned from the text of a fine-tuning.

Old pieces keep their ids and their scores. New ones come after them: first the characters that the
vocabulary lacks, then merges of neighbouring pieces, the most frequent first. So the new pieces are
those that shorten the text the most, and each can be reached from the old segmentation. With BPE,
pieces of a vocabulary trained anew could not (Purason et al. 2025, "Teaching Old Tokenizers New
Words").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mt.config.schema import TokenizerConfig
from mt.data.merges import Merge, learn_merges
from mt.data.sentencepiece_model import has_ranks, load_processor
from mt.data.sentencepiece_proto import CONTROL, add_pieces, ordinary_scores
from mt.data.symbols import MARKED
from mt.data.tags import is_tag_piece, tag_piece
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import reservoir_sample
from mt.data.vocabulary import UNK, Vocabulary
from mt.errors import MTError

Words = Counter[str]
Lines = Callable[[], Iterable[str]]  # restarts at each call
SIDES = ("src", "tgt")
MARGIN = 1e-3  # by which a new piece is better than its parts


class Learned(NamedTuple):
    """New pieces with their frequencies in a text of `total` pieces."""

    pieces: list[Merge]
    total: int


def extend_tokenizer(
    tokenizer: Tokenizer,
    lines: Mapping[str, Lines],
    config: TokenizerConfig,
    tags: Iterable[str] = (),
    seed: int = 1,
) -> Tokenizer:
    """Add `config.extend` pieces, learned from the lines of both sides, to each vocabulary.

    At most `config.train_lines` lines are sampled. A vocabulary of mt also gets those of `tags`
    that it lacks. Raises MTError if the text does not support so many pieces.
    """
    sample, mark = max(1, config.train_lines // 2), tokenizer.symbols.mark
    words = {
        side: count_words(map(mark, reservoir_sample(lines[side](), sample, seed)))
        for side in SIDES
    }
    contents = dict(zip(SIDES, (tokenizer.contents[0], tokenizer.contents[-1]), strict=True))
    vocabularies = list(tokenizer.vocabularies)
    for number, sides in enumerate([SIDES] if tokenizer.joint else [("src",), ("tgt",)]):
        texts = [(contents[side], words[side]) for side in sides]
        known = set().union(*(ordinary_scores(content) for content, _ in texts))
        known.update(*(vocabulary.pieces for vocabulary in vocabularies[number : number + 1]))
        learned = learn_pieces(texts, known, config)
        for side in sides:
            contents[side] = add_pieces(contents[side], scored(learned, contents[side]))
        if vocabularies:
            new = [piece.name for piece in learned.pieces]
            vocabularies[number] = Vocabulary([*vocabularies[number].pieces, *new])
    if not vocabularies:
        new_tags = sorted({*tags} - {"", *tokenizer.tags})
        contents["src"] = add_pieces(
            contents["src"], [(tag_piece(tag), 0.0) for tag in new_tags], CONTROL
        )
    models = list(contents.values())[: len(tokenizer.contents)]
    return Tokenizer(
        *models,
        vocabularies=vocabularies,
        symbols=tokenizer.symbols,
        languages=tokenizer.languages,
    )


def count_words(texts: Iterable[str]) -> Words:
    """Count the words of marked texts between spaces, symbols and placeholders."""
    words: Words = Counter()
    for text in texts:
        words.update(MARKED.sub(" ", text).split())
    return words


def learn_pieces(
    texts: Sequence[tuple[bytes, Words]], known: set[str], config: TokenizerConfig
) -> Learned:
    """Learn pieces that are not `known` from the words of texts, each with its model.

    Raises MTError if the texts have fewer than `config.extend` pieces to learn.
    """
    number = config.extend
    characters = frequent_characters(texts, config.character_coverage)
    pieces = [Merge("", *each) for each in characters if each[0] not in known][:number]
    names = [piece.name for piece in pieces]
    segmented: Counter[tuple[str, ...]] = Counter()
    for content, words in texts:
        lowest = min(ordinary_scores(content).values())
        processor = load_processor(add_pieces(content, ((name, lowest) for name in names)))
        rows = processor.encode(list(words), out_type=str)
        for row, count in zip(rows, words.values(), strict=True):
            segmented[tuple(row)] += count
    total = sum(len(word) * count for word, count in segmented.items())
    pieces += learn_merges(segmented, number - len(pieces), known.union(names))
    if len(pieces) < number:
        raise MTError(
            f"data.tokenizer.extend={number} is too large: the training text has {len(pieces):,} "
            f"pieces that the vocabulary lacks; set data.tokenizer.extend={len(pieces)} or less"
        )
    return Learned(pieces, total)


def frequent_characters(
    texts: Sequence[tuple[bytes, Words]], coverage: float
) -> Iterator[tuple[str, int]]:
    """Yield the characters that make up the share `coverage` of the text, and their counts.

    The most frequent come first; these are those that SentencePiece would give a piece.
    """
    counts: Counter[str] = Counter()
    for content, words in texts:
        normalised = load_processor(content).normalize(list(words))
        for word, count in zip(normalised, words.values(), strict=True):
            for character in word:
                counts[character] += count
    left = coverage * counts.total()
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if left <= 0:
            return
        yield character, count
        left -= count


def scored(learned: Learned, content: bytes) -> list[tuple[str, float]]:
    """Return new pieces with the scores that a model takes them at.

    BPE: ranks after all others. Unigram: the log-probability in the text that they were learned
    from, but more than the sum of their parts, and not less than the lowest score, from which that
    of unknown characters follows.
    """
    scores = ordinary_scores(content)
    lowest = min(scores.values())
    if has_ranks(scores.values()):
        return [(piece.name, lowest - i) for i, piece in enumerate(learned.pieces, start=1)]
    for left, right, frequency in learned.pieces:
        parts = scores.get(left, -math.inf) + scores.get(right, -math.inf) + MARGIN
        scores[left + right] = max(math.log(frequency / learned.total), parts, lowest)
    return [(piece.name, scores[piece.name]) for piece in learned.pieces]


def replaced_pieces(before: Tokenizer, after: Tokenizer, side: str) -> list[list[int]]:
    """Return for each new piece of an extended tokenizer the ids of the pieces that it replaces.

    A tag replaces all other tags. The list is empty for what replaces nothing that has an id, such
    as the first tag or an unknown character.
    """
    model, size = before.models[side], before.vocab_size(side)
    rows = []
    for piece in after.pieces(range(size, after.vocab_size(side)), side):
        ids = list(before.tags.values()) if is_tag_piece(piece) else model.spell(piece)
        rows.append([i for i in ids if i != UNK])
    return rows
