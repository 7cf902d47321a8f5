"""How a request steers the search: fields with the names of `mt.decoding.options`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from starlette.exceptions import HTTPException

from mt.decoding.candidates import check_seed
from mt.decoding.options import SearchOptions

# All but `nbest`, which is 1 + alternatives, and those of the output length, which could make a
# request expensive.
STEERING = (
    "beam",
    "length_penalty",
    "no_repeat_ngram",
    "repetition_penalty",
    "sample",
    "temperature",
    "top_k",
    "top_p",
    "epsilon",
    "mbr",
    "mbr_metric",
)
KINDS = {field.name: type(field.default) for field in fields(SearchOptions)}
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}


@dataclass(frozen=True)
class Steering:
    """The search options that a request changes, the seed of its samples and its tag."""

    options: tuple[tuple[str, Any], ...] = ()  # fields of SearchOptions with their values
    seed: int | None = None  # of samples; None: a random one
    tag: str | None = None  # of the source; None: that of the model

    def apply(self, defaults: SearchOptions, nbest: int) -> SearchOptions:
        """Return the options of the search. Raises UsageError if they are invalid."""
        return replace(defaults, **{**dict(self.options), "nbest": nbest})


def parse_steering(values: Mapping[str, Any]) -> Steering:
    """Return the steering among the fields of a request, whose values may be text, as in forms.

    Raises HTTPException 400, or UsageError, for a wrong seed or tag; `Steering.apply` checks the
    options.
    """
    given = {name: value for name, value in values.items() if value not in (None, "")}
    options = tuple((name, convert(given[name], KINDS[name])) for name in STEERING if name in given)
    seed = convert(given["seed"], int) if "seed" in given else None
    tag = values.get("tag")  # "": none
    if not isinstance(tag, str | None):
        raise invalid("tag must be a string")
    return Steering(options, None if seed is None else check_seed(seed), tag)


def convert(value: Any, kind: type) -> Any:
    """Return a value that is text as `kind`; unchanged if it cannot be converted."""
    if not isinstance(value, str) or kind is str:
        return value
    if kind is bool:
        flag = read_flag(value)
        return value if flag is None else flag
    try:
        return kind(value)
    except ValueError:
        return value


def read_flag(value: Any) -> bool | None:
    """Return whether a value means true or false; None if neither."""
    text = str(value).lower()
    return text in TRUE if text in TRUE | FALSE else None


def invalid(message: str) -> HTTPException:
    """Return the error of a request that can never succeed."""
    return HTTPException(400, f"invalid request: {message}")
