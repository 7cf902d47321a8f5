"""Settings as comparisons see them: by their dotted keys, without those that tell no two systems apart."""

from __future__ import annotations

import functools
from typing import Any

from mt.config.schema import Config

# Names, seeds, where things are kept and what is shown: they change nothing of what is learned or
# of what it costs.
NEUTRAL = (
    "name",
    "runs_dir",
    "seed",
    "data.cache",
    "data.offline",
    "trainer.log_every",
    "trainer.samples",
    "trainer.save_minutes",
)


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key."""
    return functools.reduce(getattr, key.split("."), config)
