"""How a setting is declared: a dataclass field with its help text and its valid values."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, field
from typing import Any

MAX_INTEGER = 2**63 - 1  # of settings that have no smaller maximum
AUTO = "auto"  # the value of a setting that mt-train chooses
AUTO_NUMBER = -(10**9)  # what a number holds instead of the word, as its type requires


def setting(
    default: Any,
    help: str,
    *,
    resumable: bool = False,
    choices: tuple[str, ...] = (),
    minimum: float = 0,
    below: float = math.inf,
    maximum: float | None = None,
    auto: bool = False,
    absent: Any = None,
) -> Any:
    """Declare a setting with its default and its help text.

    Args:
        default: The default value, or a function that returns it.
        help: One line for `--help`: what the setting does, its unit, and when it applies.
        resumable: If True, a run may be continued with a different value.
        choices: The valid values of a string; empty if any string is valid.
        minimum: The smallest valid number.
        below: The exclusive upper bound of a number.
        maximum: The largest valid number; None: `MAX_INTEGER` for integers, none for others.
        absent: The value of runs and caches from before the setting existed, if the default would
            change them; None: the default.
        auto: If True, the value may be `auto`: mt-train then chooses it (mt/training/automatic.py).
    """
    metadata = {
        "help": help,
        "resumable": resumable,
        "choices": choices,
        "minimum": minimum,
        "below": below,
        "maximum": maximum,
        "auto": auto,
        "absent": absent,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def group(kind: type, help: str) -> Any:
    """Declare a section of settings, defined by the dataclass `kind`."""
    return field(default_factory=kind, metadata={"help": help})


def default_value(declared: Field) -> Any:
    """Return the default of a setting."""
    if declared.default is not MISSING:
        return declared.default
    assert declared.default_factory is not MISSING
    return declared.default_factory()


def is_auto(declared: Field, value: Any) -> bool:
    """Return whether the value of a setting is `auto`."""
    return declared.metadata["auto"] and value in (AUTO, AUTO_NUMBER)
