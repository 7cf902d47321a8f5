"""What a model's attention to the source says about words: the weights of given pairs, and word alignments from them.

Shapes: S source and T target pieces of a pair, without EOS; W' target and W source words.

Row t of the weights is the decoder's step t, which reads target piece t - 1 (BOS at step 0) and predicts piece t. Two
readings tell which row belongs to piece t:

- "output": row t, the step that predicts it (Bahdanau et al. 2014, figure 3).
- "input": row t + 1, the step that reads it. The query then knows the word to be aligned; lower layers of a deep decoder
  look back at its source (Chen et al. 2020, "Accurate Word Alignment Induction from Neural Machine Translation"). Defined
  only where the query of a step has read the step's input: see `Decoder.query_reads_input`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.words import count_words, piece_words
from mt.decoding.batches import Budget
from mt.errors import UsageError
from mt.evaluation.alignment import READINGS, Links, argmax_links, merge_pieces
from mt.models.seq2seq import Seq2Seq
from mt.training.device import autocast

Text = str | Sequence[int]  # normalised text, or its pieces
Result = TypeVar("Result")


@dataclass(frozen=True)
class PairAttention:
    """One model's attention in one pair. Lists of pieces are without EOS, which is the last row and column of the weights."""

    source_pieces: list[str]  # [S], as SentencePiece writes them
    target_pieces: list[str]  # [T]
    source_words: list[int]  # [S] word of each piece, from 0; -1 outside words
    target_words: list[int]  # [T]
    weights: np.ndarray  # [layers, heads, T + 1, S + 1] float32
    query_reads_input: bool  # of the decoder: whether the reading "input" is defined

    def word_weights(self, layer: int | None = None, head: int | None = None, reading: str | None = None) -> np.ndarray:
        """[W', W] weights of words: `layer` from 0 at the bottom, one `head` or their mean, `reading` as above.

        What is not given is what links are made from, and this is the one place that says so: the last layer but one, whose
        weights are most like alignments (Garg et al. 2019, "Jointly Learning to Align and Translate with Transformer
        Models"), or the only one; the mean of the heads; "output", because that layer looks for the next word (error rates
        of a three-layer Transformer on Hansards: 38, and 72 by "input"). What goes to EOS is left out, so rows sum to 1 or
        less. Raises UsageError where there is no such layer, head or reading.
        """
        layers, heads = self.weights.shape[:2]
        layer = max(0, layers - 2) if layer is None else layer
        reading = "output" if reading is None else reading
        for name, value, size in (("layer", layer, layers), ("head", head or 0, heads)):
            if not 0 <= value < size:
                raise UsageError(f"there is no {name} {value}: the decoder's attention has {size}, counted from 0")
        if reading not in READINGS:
            raise UsageError(f"a reading is one of {', '.join(READINGS)}, not {reading!r}")
        if reading == "input" and not self.query_reads_input:
            raise UsageError(
                "this decoder attends before it reads its input, so that its weights have no reading 'input': use reading 'output'"
            )
        chosen = self.weights[layer].mean(0) if head is None else self.weights[layer, head]
        rows = [*self.target_words, -1] if reading == "output" else [-1, *self.target_words]
        return merge_pieces(chosen, [*self.source_words, -1], rows)


@dataclass(frozen=True)
class PairLinks:
    """The links of a pair, and how many words its pieces make on either side."""

    links: Links
    source_words: int
    target_words: int


def attention_weights(
    model: Seq2Seq, tokenizer: Tokenizer, pairs: Sequence[tuple[Text, Text]], budget: Budget, precision: str = "fp32"
) -> list[PairAttention]:
    """The cross-attention of one model for each (source, target), all at once by teacher forcing.

    Texts are normalised (`mt.data.cleaning.normalise`). Model as it is: call `eval()` before. All weights of all pairs are
    held in memory: 4 * layers * heads * (T + 1) * (S + 1) bytes each. Nothing is split or cut.
    """
    return _attend([model], tokenizer, pairs, budget, precision, lambda members: members[0])


def link_pairs(
    models: Sequence[Seq2Seq], tokenizer: Tokenizer, pairs: Sequence[tuple[Text, Text]], budget: Budget, precision: str = "fp32"
) -> list[PairLinks]:
    """Each target word linked to its best source word, by `PairAttention.word_weights`; by their mean for several models.

    As `attention_weights`, except that weights are held for one batch only.
    """

    def link(members: list[PairAttention]) -> PairLinks:
        weights = np.mean([member.word_weights() for member in members], axis=0)
        return PairLinks(argmax_links(weights), weights.shape[1], weights.shape[0])

    return _attend(models, tokenizer, pairs, budget, precision, link)


def join_links(parts: Sequence[PairLinks], source: str, target: str) -> Links | None:
    """Links of a line from those of its parts, with indices that count through the whole line.

    None where the parts have not the words of the line: one was cut in two, parts were joined without a space, or a word was
    only bytes that normalisation takes out.
    """
    joined: set[tuple[int, int]] = set()
    sources = targets = 0
    for part in parts:
        joined.update((sources + i, targets + j) for i, j in part.links.sure)
        sources, targets = sources + part.source_words, targets + part.target_words
    return Links(frozenset(joined)) if (sources, targets) == (count_words(source), count_words(target)) else None


def require_attention(models: Sequence[Seq2Seq]) -> None:
    """Raise UsageError where there are no weights to look at."""
    if not all(model.decoder.attends for model in models):
        raise UsageError("this model's decoder has no attention to the source, so there is nothing to align words by")


@torch.no_grad()
def _attend(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[Text, Text]],
    budget: Budget,
    precision: str,
    use: Callable[[list[PairAttention]], Result],
) -> list[Result]:
    """`use` of each pair's attention in every model. `budget` counts the longer side."""

    def encode(text: Text, side: str) -> list[int]:
        return tokenizer.encode(text, side) if isinstance(text, str) else list(text)

    sources = [encode(source, "src") for source, _ in pairs]
    targets = [encode(target, "tgt") for _, target in pairs]
    require_attention(models)
    device, reads = models[0].device, [model.decoder.query_reads_input for model in models]

    def work(rows: list[int]) -> list[Result]:
        batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows]).to(device)
        with autocast(device, precision):
            found = [model(batch.source, batch.source_mask, batch.target_input, need_weights=True).attention["cross"] for model in models]
        weights = [each.float().cpu().numpy() for each in found]
        return [use(describe(row, [each[place] for each in weights])) for place, row in enumerate(rows)]

    def describe(row: int, weights: list[np.ndarray]) -> list[PairAttention]:
        source, target = tokenizer.pieces(sources[row], "src"), tokenizer.pieces(targets[row], "tgt")
        words = piece_words(source), piece_words(target)
        real = [each[:, :, : len(target) + 1, : len(source) + 1].copy() for each in weights]  # a view would keep the batch
        return [PairAttention(source, target, *words, *each) for each in zip(real, reads, strict=True)]

    longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
    return budget.map(longer, 1, work)
