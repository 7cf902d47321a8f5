"""JSON of dataclasses, with every value checked against its annotation when it is read."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any, TypeVar

from mt.errors import MTError

T = TypeVar("T")

NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
NAMES |= {type(None): "null", dict: "an object", list: "a list", tuple: "a list"}


def to_json(value: Any) -> str:
    """Return a dataclass as JSON. Raises ValueError for NaN, which JSON does not have."""
    # Not dataclasses.asdict, which copies every leaf: lists of attention weights are long.
    return json.dumps(value, default=vars, ensure_ascii=False, allow_nan=False)


def from_json(kind: type[T], value: Any, path: str = "") -> T:
    """Convert parsed JSON to `kind`: a dataclass, list, tuple, dict, union or scalar.

    Fields that have a default may be missing. Raises MTError, with the path of the value in the
    file, if a value has another type, a field is missing or a key is unknown.
    """
    result: T = _convert(kind, value, path)
    return result


def _convert(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert(_alternative(arguments, value, path), value, path)
    if dataclasses.is_dataclass(kind):
        return _convert_fields(kind, value, path)
    if not _has_type(value, origin or kind):
        raise MTError(f"{path or 'it'} must be {NAMES[origin or kind]}")
    if origin is dict:
        return {
            key: _convert(arguments[1], entry, _join(path, key)) for key, entry in value.items()
        }
    if origin is list:
        return [_convert(arguments[0], entry, f"{path}[{i}]") for i, entry in enumerate(value)]
    if origin is tuple:
        if len(value) != len(arguments):
            raise MTError(f"{path} must have {len(arguments)} entries, got {len(value)}")
        pairs = zip(arguments, value, strict=True)
        return tuple(_convert(each, entry, f"{path}[{i}]") for i, (each, entry) in enumerate(pairs))
    return value


def _convert_fields(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise MTError(f"{path or 'it'} must be {NAMES[dict]}")
    annotations, given = _annotations(kind), {}
    if unknown := next((key for key in value if key not in annotations), None):
        raise MTError(f"{_join(path, unknown)} is unknown")
    for field in dataclasses.fields(kind):
        place = _join(path, field.name)
        if field.name in value:
            given[field.name] = _convert(annotations[field.name], value[field.name], place)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise MTError(f"{place} is missing")
    return kind(**given)


def _alternative(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    """Return the member of a union that fits the outermost type of `value`."""
    outer = {kind: dict if dataclasses.is_dataclass(kind) else _outer(kind) for kind in kinds}
    fitting = next((kind for kind in kinds if _has_type(value, outer[kind])), None)
    if fitting is None:
        expected = " or ".join(dict.fromkeys(NAMES[each] for each in outer.values()))
        raise MTError(f"{path} must be {expected}")
    return fitting


def _outer(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _has_type(value: Any, kind: Any) -> bool:
    if kind is float:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, list | tuple if kind in (list, tuple) else kind)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@functools.cache
def _annotations(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
