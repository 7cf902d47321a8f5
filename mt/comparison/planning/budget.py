"""The budget of each run of a comparison."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from mt.errors import UsageError


@dataclass
class RunBudget:
    """The budget of each run: exactly one of the limits is not 0.

    With `until: plateau`, the limit is the largest budget.
    """

    minutes: float = 0.0
    steps: int = 0
    target_tokens: int = 0
    flops: float = 0.0
    until: str = "budget"  # or "plateau": trainer.until

    def limits(self) -> dict[str, float]:
        """Return the limits by name; 0: none."""
        return {name: value for name, value in asdict(self).items() if name != "until"}

    def overrides(self) -> list[str]:
        """Return settings of mt-train, which override limits of the variants."""
        return [
            *(f"trainer.max_{name}={value!r}" for name, value in self.limits().items()),
            "trainer.max_epochs=0",
            f"trainer.until={self.until}",
        ]

    def __str__(self) -> str:
        units = {"target_tokens": "target tokens", "flops": "FLOPs"}
        given = [(name, value) for name, value in self.limits().items() if value]
        words = " and ".join(f"{value:,.10g} {units.get(name, name)}" for name, value in given)
        return f"until its plateau, at most {words}" if self.until == "plateau" else words


def check_budget(budget: RunBudget) -> None:
    """Raise UsageError if not exactly one limit is set, or a value is invalid."""
    if budget.until not in ("budget", "plateau"):
        raise UsageError(f"budget.until must be budget or plateau, got {budget.until}")
    for name, value in budget.limits().items():
        if not 0 <= value < math.inf:
            raise UsageError(f"budget.{name} must be finite and > 0, got {value:g}")
    given = [name for name, value in budget.limits().items() if value]
    if len(given) != 1:
        problem = f"has both {' and '.join(given)}" if given else "is not set"
        raise UsageError(
            f"the budget {problem}: set one of "
            "budget.minutes, budget.steps, budget.target_tokens, budget.flops"
        )
