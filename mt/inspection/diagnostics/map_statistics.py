"""Statistics of the attention maps of one sentence (docs/diagnostics.md).

Shapes: L layers, H heads, T queries (rows), S keys (columns), P pairs of heads. Each row of a map
is a distribution over the keys that are visible to its query. Kinds of maps, by query and key:

- "encoder": source to source; the last position is EOS.
- "decoder": target to target; position 0 is BOS, position t is target piece t - 1. Keys 0 to t are
  visible in row t.
- "cross": decoder step to source. Rows are those of "decoder", keys are those of "encoder".

Rows with a single visible key carry no information; they count in the coverage only.

The names of statistics are keys of the JSON files. There, "evenness" is the normalised entropy, and
"special" the weight of the key without text: EOS or BOS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mt.errors import MTError

REPORTED_KINDS = ("encoder", "decoder", "cross")
SPECIAL_KEYS = {"encoder": "EOS", "decoder": "BOS", "cross": "EOS"}
STATISTICS = ("entropy", "evenness", "distance", "special", "punctuation")  # of every kind
COVERAGE_STATISTICS = ("coverage", "coverage_sd", "under", "over")  # of "cross" only
SIMILARITY = "alike"  # of two heads

# A source piece with a coverage below the first may be left out of the translation. One with a
# coverage above the second serves two target pieces or more, and may be translated twice.
UNDER_COVERAGE, OVER_COVERAGE = 0.2, 2.0
MAX_CHUNK_WEIGHTS = 1 << 22  # compared between heads at a time


@dataclass(frozen=True)
class MapStatistics:
    """Statistics of the maps of one kind in one sentence; NaN if a statistic is not defined."""

    heads: dict[str, np.ndarray]  # statistic -> [L, H]
    mean_map: dict[str, np.ndarray]  # statistic -> [L], of the mean of the heads of a layer
    uniform: dict[str, float]  # statistic -> its value for a head with uniform attention
    similarity: np.ndarray  # [L, P] of each pair of heads, in the order of `head_pairs`


@dataclass(frozen=True)
class PairStatistics:
    """Statistics of all maps of one sentence pair."""

    kinds: dict[str, MapStatistics]
    loss: float  # mean negative log-likelihood of the target pieces and EOS, in nats


def head_pairs(heads: int) -> list[tuple[int, int]]:
    """Return the pairs of different heads, from 0: (0, 1), (0, 2), ..., (1, 2), ..."""
    return [(one, other) for one in range(heads) for other in range(one + 1, heads)]


def measure_maps(weights: np.ndarray, kind: str, punctuation: np.ndarray) -> MapStatistics:
    """Compute the statistics of weights [L, H, T, S] of one kind in one sentence.

    `punctuation` [S] says which keys are punctuation. Raises MTError if the shapes do not fit, or
    if the maps of self-attention are not square.
    """
    heads, queries, keys = weights.shape[1:]
    if len(punctuation) != keys or (kind != "cross" and queries != keys):
        raise MTError(
            f"{kind} weights of {queries} queries and {keys} keys, with {len(punctuation)} pieces, "
            "do not fit together"
        )
    visible = np.arange(1, queries + 1) if kind == "decoder" else np.full(queries, keys)
    with_mean = np.concatenate([weights, weights.mean(1, keepdims=True)], axis=1)
    statistics = _statistics(with_mean, kind, punctuation, visible)
    uniform = (np.arange(keys) < visible[:, None]) / visible[:, None]
    of_uniform = _statistics(uniform[None, None], kind, punctuation, visible)
    return MapStatistics(
        heads={name: values[:, :heads] for name, values in statistics.items()},
        mean_map={name: values[:, heads] for name, values in statistics.items()},
        uniform={name: float(values[0, 0]) for name, values in of_uniform.items()},
        similarity=head_similarity(weights[:, :, visible > 1]),
    )


def head_similarity(weights: np.ndarray) -> np.ndarray:
    """Compute the similarity [L, P] of each pair of heads from weights [L, H, T, S].

    It is 1 - JS / ln 2, averaged over rows: 1 for equal rows, 0 for disjoint rows. JS is the
    Jensen-Shannon divergence (Lin 1991), which Clark et al. 2019 use to compare heads.
    """
    layers, heads, queries, keys = weights.shape
    one, other = np.array(head_pairs(heads), dtype=np.int64).reshape(-1, 2).T
    if not queries:
        return np.full((layers, len(one)), np.nan)
    total = np.zeros((layers, len(one)))
    rows = max(1, MAX_CHUNK_WEIGHTS // max(1, layers * len(one) * keys))
    for start in range(0, queries, rows):
        chunk = weights[:, :, start : start + rows]
        entropy = _entropy(chunk)
        mixture = _entropy((chunk[:, one] + chunk[:, other]) / 2)
        total += (mixture - (entropy[:, one] + entropy[:, other]) / 2).sum(-1)
    return np.clip(1 - total / queries / np.log(2), 0, 1)  # rounding may exceed the range


def _statistics(
    weights: np.ndarray, kind: str, punctuation: np.ndarray, visible: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute each statistic [L, H] of weights [L, H, T, S] with visible [T] keys per query."""
    queries, keys = weights.shape[2:]
    used = visible > 1
    rows, count = weights[:, :, used], max(1, int(used.sum()))
    entropy = _entropy(rows)
    key_weight = rows.sum(2) / count  # [L, H, S]: mean weight of a key
    special = 0 if kind == "decoder" else keys - 1
    statistics = {
        "entropy": entropy.sum(-1) / count,
        "evenness": (entropy / np.log(visible[used])).sum(-1) / count,
        "distance": np.tensordot(rows, _distances(queries, keys, kind)[used], axes=2) / count,
        "special": key_weight[..., special],
        "punctuation": key_weight @ punctuation.astype(key_weight.dtype),
    }
    if not used.any():
        statistics = {name: np.full_like(values, np.nan) for name, values in statistics.items()}
    if kind == "cross":
        statistics |= _coverage(weights[..., :special].sum(2))
    return {name: values.astype(np.float32) for name, values in statistics.items()}


def _distances(queries: int, keys: int, kind: str) -> np.ndarray:
    """Return the distances [T, S] of query and key.

    They are in pieces; for "cross" they are distances from the diagonal, between the centres of the
    cells, as a share of the length.
    """
    if kind == "cross":
        rows, columns = np.arange(queries)[:, None] + 0.5, np.arange(keys) + 0.5
        return np.abs(rows / queries - columns / keys)
    return np.abs(np.arange(queries)[:, None] - np.arange(keys)).astype(np.float64)


def _coverage(coverage: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the statistics of coverage [L, H, S] of source pieces without EOS.

    The coverage of a piece is its weight summed over all steps (Tu et al. 2016, section 3).
    """
    if not coverage.shape[-1]:
        return dict.fromkeys(COVERAGE_STATISTICS, np.full(coverage.shape[:-1], np.nan))
    under, over = coverage < UNDER_COVERAGE, coverage > OVER_COVERAGE
    values = (coverage.mean(-1), coverage.std(-1), under.mean(-1), over.mean(-1))
    return dict(zip(COVERAGE_STATISTICS, values, strict=True))


def _entropy(weights: np.ndarray) -> np.ndarray:
    """Compute the entropy [...] of each row of weights [..., S], in nats; 0 ln 0 is 0."""
    return -(weights * np.log(np.maximum(weights, np.finfo(np.float32).tiny))).sum(-1)
