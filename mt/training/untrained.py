"""Bounds on the time that translation takes in validation and test.

A model that is not trained writes outputs of the maximum length, which takes several times as long
and tells nothing. Its validation and test are limited to a few pairs.
"""

from __future__ import annotations

MAX_VALIDATION_PAIRS = 500  # translated in a validation
PROBE_PAIRS = 100  # translated first; a model that is not trained is scored on them alone


def sample_pairs(count: int) -> tuple[list[int], list[int]]:
    """Split a set of `count` pairs into those to translate and those to translate before them.

    Both are spread over the set, which is sampled if it is long.
    """
    size = min(count, MAX_VALIDATION_PAIRS)
    sample = [count * i // size for i in range(size)]
    if size <= PROBE_PAIRS:
        return [], sample
    probe = {size * i // PROBE_PAIRS for i in range(PROBE_PAIRS)}
    rest = [index for i, index in enumerate(sample) if i not in probe]
    return rest, [sample[i] for i in sorted(probe)]


def is_untrained(endless: int, outputs: int) -> bool:
    """Return whether so many outputs did not end that the model must be untrained."""
    return 2 * endless > outputs
