"""Overrides of the command line, such as data.train.src=a.en: text that stays as it was written.

Hydra gives every value a type by its form: 1e3 is a number, true is a boolean, and an umlaut is an
error. The type of a setting is known from the schema, so that settings that are text take what was
written.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

from mt.config.automatic import encode_override
from mt.config.data_schema import NAMED
from mt.config.schema import SplitConfig, keys
from mt.errors import UsageError

TEXT_TYPES = ("str", "Any", "list[str]")  # annotations of settings that hold text


def is_text_key(key: str) -> bool:
    """Return whether a setting of mt-train holds text, or a list of texts."""
    parts = key.split(".")
    if key.startswith(NAMED):
        return len(parts) == 4 and parts[3] in text_fields(SplitConfig)
    return key in keys() and keys()[key].type in TEXT_TYPES


def text_fields(kind: type) -> set[str]:
    """Return the names of the fields of a dataclass that hold text, or a list of texts."""
    return {field.name for field in dataclasses.fields(kind) if field.type in TEXT_TYPES}


def keep_text(argument: str, is_text: Callable[[str], bool] = is_text_key) -> str:
    """Return the override, quoted for Hydra if it is text that looks like another type.

    Text that Hydra cannot parse is taken as it stands. The setting of a named corpus, such as
    data.mix.NAME.src, is allowed to add the name. Other overrides are returned unchanged. Raises
    UsageError, which shows how to write it, for a list that cannot be parsed.
    """
    argument = encode_override(argument)
    if argument.startswith(NAMED):
        argument = f"++{argument}"
    key, equals, value = argument.partition("=")
    if not equals or not is_text(key.lstrip("+")):
        return argument
    try:
        parsed = parse_override(argument)
    except HydraException:
        if "${" in value:
            return argument  # an interpolation; the caller reports what is wrong
        if value.startswith("[") and value.endswith("]"):
            parts = ",".join(_quote_shown(part.strip(" '\"")) for part in value[1:-1].split(","))
            raise UsageError(
                f"cannot parse {argument}: quote the parts of the list, as in "
                + shlex.quote(f"{key}=[{parts}]")
            ) from None
        return f"{key}={quote_value(value)}"
    if isinstance(parsed._value, ChoiceSweep):
        return f"{key}={_quote_parts(value, parsed._value.list)}"
    if parsed.is_sweep_override():
        return argument
    content = parsed.value()
    if isinstance(content, list):
        return f"{key}=[{_quote_parts(value.strip()[1:-1], content)}]"
    return f"{key}={_quote_parts(value, [content])}"


def check_single_value(override: Override, is_text: Callable[[str], bool] = is_text_key) -> None:
    """Raise UsageError for text with a comma, which Hydra reads as several values of a sweep."""
    key = override.key_or_group
    if override.is_sweep_override() and is_text(key):
        argument = (override.input_line or "").lstrip("+")
        start, _, value = argument.partition("=")
        single, several = f"{start}={_quote_shown(value)}", f"{start}=[{value}]"
        raise UsageError(
            f"{argument} has several values, which need mt-train -m: "
            f"for a text with a comma write {shlex.quote(single)}"
            + (f", for a list {shlex.quote(several)}" if _holds_list(key) else "")
        )


def quote_value(text: str) -> str:
    """Quote a value of a Hydra override, which may have any characters.

    Hydra takes a backslash literally unless a quote follows.
    """
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", escaped) + "'"


@functools.lru_cache(maxsize=10_000)
def parse_override(argument: str) -> Override:
    """Parse one override, once. Raises HydraException if it cannot be read."""
    return OverridesParser.create().parse_overrides([argument])[0]


def named_keys(overrides: Iterable[Override]) -> set[str]:
    """Return the settings and groups that overrides name."""
    return {override.key_or_group for override in overrides}


def sweep_values(arguments: Sequence[str]) -> list[list[str]]:
    """Return overrides without several values that together contain each value of a sweep once."""
    parsed = [parse_override(argument) for argument in arguments]
    choices = [
        [f"{one.get_key_element()}={text}" for text in one.sweep_string_iterator()]
        if one.is_sweep_override() and one.is_discrete_sweep()
        else [str(one.input_line)]
        for one in parsed
    ]
    length = max((len(values) for values in choices), default=1)
    return [[values[min(i, len(values) - 1)] for values in choices] for i in range(length)]


def _quote_parts(text: str, contents: Sequence[Any]) -> str:
    """Quote those of the values, separated by commas in `text`, that were not read as text."""
    parts = text.split(",") if len(contents) > 1 else [text]
    if len(parts) != len(contents):
        return text  # commas within quotes: strings already
    return ",".join(
        quote_value(part.strip()) if isinstance(content, bool | int | float) else part
        for part, content in zip(parts, contents, strict=True)
    )


def _quote_shown(text: str) -> str:
    """Quote a value for a message, in double quotes if possible: the shell's are single."""
    return quote_value(text) if set(text) & set("\"'\\") else f'"{text}"'


def _holds_list(key: str) -> bool:
    """Return whether a text setting may also be a list."""
    field = key.split(".")[-1]
    return field in text_fields(SplitConfig) and field in ("src", "tgt", "file", "links", "columns")
