"""A step of cleaning: a reason to drop pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A filter of normalised pairs, as it is reported. It is off if it has no function."""

    name: str  # of its count
    settings: str  # to check if it drops many pairs
    description: str  # of the pairs that it drops: "dropped, ..."
    drops: Callable[[str, str], bool] | None = None  # of (source, target)
    # Instead, of steps that drop pairs whose key an earlier pair has. The source has its tag
    # (`mt.data.tags`).
    key: Callable[[str, str], int] | None = None

    @property
    def is_on(self) -> bool:
        """Return whether the step drops pairs at all."""
        return bool(self.drops or self.key)
