"""Random text for tests of statistics and measures."""

from __future__ import annotations

import random

WORDS = [f"word{i}" for i in range(300)]


def lossy_outputs(
    size: int, losses: tuple[float, ...], seed: int = 0
) -> tuple[list[str], list[list[str]]]:
    """Return random references, and for each share of lost words a system's outputs."""
    draw = random.Random(seed)
    references = [" ".join(draw.choices(WORDS, k=draw.randint(3, 25))) for _ in range(size)]
    systems = [
        [" ".join(w for w in line.split() if draw.random() > loss) for line in references]
        for loss in losses
    ]
    return references, systems


def repetitive_sentences(size: int, seed: int, words: int = 12) -> list[str]:
    """Return random sentences of `words` different words, randomly capitalised."""
    draw = random.Random(seed)
    letters = [f"w{chr(97 + i)}" for i in range(words)]
    return [
        " ".join(
            draw.choice((str, str.title))(w) for w in draw.choices(letters, k=draw.randint(0, 15))
        )
        for _ in range(size)
    ]
