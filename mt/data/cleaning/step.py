"""A step of cleaning: a reason to drop pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A filter of normalised pairs, as it is reported."""

    name: str  # of its count
    settings: str  # to check if it drops many pairs
    description: str  # of the pairs that it drops: "dropped, ..."
    drops: Callable[[str, str], bool] | None  # of (source, target); None: the step is off
    sees_tag: bool = False  # whether the source has its tag (`mt.data.tags`)
