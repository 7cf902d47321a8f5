"""Attention maps with random weights."""

from __future__ import annotations

import numpy as np

from mt.data.links import parse_links
from mt.inspection.maps.sentence_map import SentenceMap, sentence_map
from mt.inspection.pair_attention import PairAttention

# Words that could do harm in HTML, in matplotlib or on a terminal.
HARMFUL_WORDS = [
    "</script><script>alert(1)</script>",
    "<b>bold</b>",
    "&amp;",
    '"quoted"',
    "$\\frac{1}{$",
    "a_b^c",
    "\u202eturned",
]


def word_pieces(text: str) -> list[str]:
    """Split words into pieces of up to two characters."""
    return [
        ("\u2581" if at == 0 else "") + word[at : at + 2]
        for word in text.split()
        for at in range(0, len(word), 2)
    ]


def word_indices(pieces: list[str]) -> list[int]:
    return (np.cumsum([piece.startswith("\u2581") for piece in pieces]) - 1).tolist()


def random_pair(
    source: str = "the cat sleeps",
    target: str = "die Katze schläft",
    layers: int = 3,
    heads: int = 2,
    seed: int = 0,
) -> PairAttention:
    """Return random weights whose rows sum to 1; those of the decoder are causal."""
    source_pieces, target_pieces = word_pieces(source), word_pieces(target)
    s, t = len(source_pieces) + 1, len(target_pieces) + 1
    random_numbers = np.random.default_rng(seed)
    arrays = {}
    for name, (rows, columns) in {"cross": (t, s), "encoder": (s, s), "decoder": (t, t)}.items():
        weights = random_numbers.random((layers, heads, rows, columns), dtype=np.float32)
        weights = np.tril(weights) if name == "decoder" else weights
        arrays[name] = weights / weights.sum(-1, keepdims=True)
    return PairAttention(
        source_pieces,
        target_pieces,
        word_indices(source_pieces),
        word_indices(target_pieces),
        query_reads_input=True,
        **arrays,
    )


def two_maps() -> list[SentenceMap]:
    return [
        sentence_map(random_pair(), "line 1", parse_links("0-0 1-1 2p2")),
        sentence_map(
            random_pair("dogs bark", "Hunde bellen laut heute", seed=1),
            "line 2",
            parse_links("0-0"),
        ),
    ]
