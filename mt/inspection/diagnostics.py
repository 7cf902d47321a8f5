"""What attention maps look like, in numbers: of one sentence, and summed up over a test set (docs/diagnostics.md).

Shapes: L layers, H heads, T queries (rows), S keys (columns), P pairs of heads, N sentences. Each
row of a map is a distribution over the keys that its query may see. The kinds of maps, by query and
key:

- "encoder": source to source; the last position is EOS.
- "decoder": target to target; position 0 is BOS, position t the target piece t - 1. Row t sees the
  keys 0 to t.
- "cross": decoder step to source. The rows are those of "decoder", the keys those of "encoder".

Rows that see a single key have no choice; they count in no figure but the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.errors import MTError
from mt.inspection.correlation import partial, spearman

KINDS = ("encoder", "decoder", "cross")
SPECIAL = {
    "encoder": "EOS",
    "decoder": "BOS",
    "cross": "EOS",
}  # the key without text: where a head can park
FIGURES = ("entropy", "evenness", "distance", "special", "punctuation")  # of every kind
COVERAGE = ("coverage", "coverage_sd", "under", "over")  # of "cross" only

# A source piece that all steps together give less than UNDER may be left out of the translation;
# one that gets more than OVER is used like two target pieces or more, and may be translated twice.
UNDER, OVER = 0.2, 2.0
DECIMALS = 5  # to which values are ranked: smaller differences are rounding of float32 and would correlate by chance
CHUNK = 1 << 22  # weights compared at a time between heads


@dataclass(frozen=True)
class MapFigures:
    """Of the maps of one kind in one sentence. NaN where a figure is not defined."""

    heads: dict[str, np.ndarray]  # figure -> [L, H]
    mean_map: dict[
        str, np.ndarray
    ]  # figure -> [L], of the mean of a layer's heads taken as one map
    even: dict[str, float]  # figure -> what a head that looks at all keys alike would have
    alike: np.ndarray  # [L, P] similarity of each pair of heads, in the order of `head_pairs`


@dataclass(frozen=True)
class SentenceFigures:
    """Of one sentence."""

    kinds: dict[str, MapFigures]
    loss: float  # negative log-likelihood of the target in nats a token, EOS included


@dataclass(frozen=True)
class Summary:
    """Of one figure over all sentences (each counts alike); arrays of one shape. NaN: not defined, or no such sentences."""

    mean: np.ndarray
    short: np.ndarray  # mean over short sentences
    long: np.ndarray
    rho_length: np.ndarray  # rank correlation with the source length
    rho_loss: np.ndarray  # ... with the sentence's loss
    rho_loss_given_length: np.ndarray  # ... when what length explains is taken out


@dataclass(frozen=True)
class FigureSummary:
    heads: Summary  # [L, H]; of similarity [L, P]
    layer: Summary  # [L], of the mean over the heads (pairs) in each sentence
    mean_map: Summary | None  # [L]; None for similarity
    even: float | None  # None for similarity


@dataclass(frozen=True)
class Diagnostics:
    """Of a model on a test set."""

    kinds: dict[str, dict[str, FigureSummary]]  # kind -> figure ("alike" is similarity) -> summary
    heads: dict[str, int]  # kind -> H
    sentences: int
    short: int  # how many of them are
    long: int
    threshold: int  # longest length that counts as short
    unit: str  # of lengths: "words" or "characters"
    loss: float  # mean over sentences
    rho_loss_length: float  # rank correlation of the loss with the source length
    left_out: int  # pairs that are blank or too long on a side


def head_pairs(heads: int) -> list[tuple[int, int]]:
    """The pairs of different heads, from 0: (0, 1), (0, 2), ..., (1, 2), ..."""
    return [(one, other) for one in range(heads) for other in range(one + 1, heads)]


def measure(weights: np.ndarray, kind: str, punctuation: np.ndarray) -> MapFigures:
    """All figures of the maps of one sentence: weights [L, H, T, S] of this kind; punctuation [S] bool, by key.

    MTError where the shapes do not fit, or the map of a decoder is not square.
    """
    layers, heads, queries, keys = weights.shape
    if len(punctuation) != keys or (kind != "cross" and queries != keys):
        raise MTError(
            f"{kind} weights of {queries} queries and {keys} keys, with {len(punctuation)} pieces, do not fit together"
        )
    visible = np.arange(1, queries + 1) if kind == "decoder" else np.full(queries, keys)
    both = np.concatenate([weights, weights.mean(1, keepdims=True)], axis=1)
    found = _figures(both, kind, punctuation, visible)
    even = (np.arange(keys) < visible[:, None]) / visible[:, None]
    return MapFigures(
        heads={name: values[:, :heads] for name, values in found.items()},
        mean_map={name: values[:, heads] for name, values in found.items()},
        even={
            name: float(values[0, 0])
            for name, values in _figures(even[None, None], kind, punctuation, visible).items()
        },
        alike=similarity(weights[:, :, visible > 1]),
    )


def similarity(weights: np.ndarray) -> np.ndarray:
    """weights [L, H, T, S] -> [L, P]: 1 - JS / ln 2 between the rows of two heads, mean over rows; 1 the same, 0 disjoint.

    JS is the Jensen-Shannon divergence (Lin 1991), by which Clark et al. 2019 compare heads.
    """
    layers, heads, queries, keys = weights.shape
    one, other = np.array(head_pairs(heads), dtype=np.int64).reshape(-1, 2).T
    if not queries:
        return np.full((layers, len(one)), np.nan)
    total = np.zeros((layers, len(one)))
    rows = max(1, CHUNK // max(1, layers * len(one) * keys))
    for start in range(0, queries, rows):
        part = weights[:, :, start : start + rows]
        own = _entropy(part)
        mixed = _entropy((part[:, one] + part[:, other]) / 2)
        total += (mixed - (own[:, one] + own[:, other]) / 2).sum(-1)
    return np.clip(1 - total / queries / np.log(2), 0, 1)  # rounding goes a little outside


def summarise(
    sentences: Sequence[SentenceFigures],
    lengths: np.ndarray,
    threshold: int,
    unit: str = "words",
    left_out: int = 0,
) -> Diagnostics:
    """Figures of N sentences of one model, with the lengths [N] of their sources; up to `threshold` a sentence is short.

    MTError where there are none.
    """
    if not sentences:
        raise MTError(
            "no sentence pairs whose attention could be measured: all are blank or too long"
        )
    loss, short = np.array([each.loss for each in sentences]), lengths <= threshold

    def sum_up(values: np.ndarray) -> Summary:
        return _summary(values, lengths, loss, short)

    kinds: dict[str, dict[str, FigureSummary]] = {}
    for kind, first in sentences[0].kinds.items():
        maps = [each.kinds[kind] for each in sentences]
        kinds[kind] = {}
        for name in first.heads:
            heads = np.stack([each.heads[name] for each in maps])
            joined = sum_up(np.stack([each.mean_map[name] for each in maps]))
            kinds[kind][name] = FigureSummary(
                sum_up(heads),
                sum_up(heads.mean(2)),
                joined,
                float(np.mean([m.even[name] for m in maps])),
            )
        if first.alike.shape[1]:
            alike = np.stack([each.alike for each in maps])
            kinds[kind]["alike"] = FigureSummary(sum_up(alike), sum_up(alike.mean(2)), None, None)
    return Diagnostics(
        kinds=kinds,
        heads={kind: maps.heads["entropy"].shape[1] for kind, maps in sentences[0].kinds.items()},
        sentences=len(sentences),
        short=int(short.sum()),
        long=int((~short).sum()),
        threshold=threshold,
        unit=unit,
        loss=float(loss.mean()),
        rho_loss_length=float(spearman(loss.round(DECIMALS), lengths)),
        left_out=left_out,
    )


def _figures(
    weights: np.ndarray, kind: str, punctuation: np.ndarray, visible: np.ndarray
) -> dict[str, np.ndarray]:
    """weights [L, H, T, S], visible [T] keys of each query -> figure -> [L, H]."""
    queries, keys = weights.shape[2:]
    choice = visible > 1
    rows, count = weights[:, :, choice], max(1, int(choice.sum()))
    entropy = _entropy(rows)
    key_weight = rows.sum(2) / count  # [L, H, S]: how much a key gets from a query, on average
    special = 0 if kind == "decoder" else keys - 1
    found = {
        "entropy": entropy.sum(-1) / count,
        "evenness": (entropy / np.log(visible[choice])).sum(-1) / count,
        "distance": np.tensordot(rows, _distances(queries, keys, kind)[choice], axes=2) / count,
        "special": key_weight[..., special],
        "punctuation": key_weight @ punctuation.astype(key_weight.dtype),
    }
    if not choice.any():
        found = {name: np.full_like(values, np.nan) for name, values in found.items()}
    if kind == "cross":
        found |= _coverage(weights[..., :special].sum(2))
    return {name: values.astype(np.float32) for name, values in found.items()}


def _distances(queries: int, keys: int, kind: str) -> np.ndarray:
    """[T, S]: pieces between query and key; for "cross" how far from the diagonal, as a share of the length (centre to centre)."""
    if kind == "cross":
        return np.abs(
            (np.arange(queries)[:, None] + 0.5) / queries - (np.arange(keys) + 0.5) / keys
        )
    return np.abs(np.arange(queries)[:, None] - np.arange(keys)).astype(np.float64)


def _coverage(coverage: np.ndarray) -> dict[str, np.ndarray]:
    """coverage [L, H, S] of source pieces without EOS: each one's attention from all steps (Tu et al. 2016, section 3)."""
    if not coverage.shape[-1]:
        return dict.fromkeys(COVERAGE, np.full(coverage.shape[:-1], np.nan))
    values = (
        coverage.mean(-1),
        coverage.std(-1),
        (coverage < UNDER).mean(-1),
        (coverage > OVER).mean(-1),
    )
    return dict(zip(COVERAGE, values, strict=True))


def _entropy(weights: np.ndarray) -> np.ndarray:
    """Of each row, in nats: [..., S] -> [...]; nothing where the weight is 0."""
    return -(weights * np.log(np.maximum(weights, np.finfo(np.float32).tiny))).sum(-1)


def _summary(
    values: np.ndarray, lengths: np.ndarray, loss: np.ndarray, short: np.ndarray
) -> Summary:
    """values [N, ...] -> arrays [...]."""
    rounded = values.astype(np.float64).round(DECIMALS)
    by_length, by_loss = spearman(rounded, lengths), spearman(rounded, loss)
    given = partial(by_loss, by_length, spearman(loss, lengths))
    return Summary(
        values.mean(0), _mean(values[short]), _mean(values[~short]), by_length, by_loss, given
    )


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0) if len(values) else np.full(values.shape[1:], np.nan)
