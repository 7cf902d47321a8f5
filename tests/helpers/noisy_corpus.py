"""Random text with errors."""

from __future__ import annotations

import random

# So many words that TER finds few shifts to try, which take it long.
WORDS = [f"word{i}" for i in range(500)]


def noisy_corpus(size: int, seed: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Return sources, hypotheses and references of 1 to 70 words.

    Hypotheses are the references with some words lost or changed.
    """
    draw = random.Random(seed)
    sources, hypotheses, references = [], [], []
    for _ in range(size):
        words = draw.choices(WORDS, k=draw.randint(1, 70))
        sources.append(" ".join(draw.choices(WORDS, k=max(1, len(words) + draw.randint(-2, 2)))))
        references.append(" ".join(words))
        hypotheses.append(
            " ".join(
                draw.choice(WORDS) if draw.random() < 0.2 else word
                for word in words
                if draw.random() > 0.1
            )
        )
    return sources, hypotheses, references
