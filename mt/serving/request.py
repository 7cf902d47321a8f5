"""What a client asks for: JSON, a form or a query, as LibreTranslate accepts them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from mt.serving.parts import Wanted
from mt.serving.steering import STEERING, invalid, parse_steering, read_flag

FLAGS = ("scores", "alignments", "attention", "stream")
TRANSLATE_FIELDS = (
    *("q", "source", "target", "format", "alternatives", "prefix", "tag", "seed"),
    *FLAGS,
    *STEERING,
)
# Of any request. LibreTranslate's own page sends a secret, which this server does not need.
ACCESS_FIELDS = ("api_key", "secret")
FORMATS = ("text", "html")


@dataclass(frozen=True)
class TranslateRequest:
    """A request for translations."""

    texts: list[str]
    is_list: bool  # whether the answer is a list too
    source: str  # a language code or "auto"
    target: str
    format: str
    wanted: Wanted
    stream: bool
    prefixes: list[str]  # of the translations of the texts


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body of a request; raise HTTPException 413 if it has more bytes than `limit`.

    0: unlimited.
    """
    error = HTTPException(413, f"too long: the request has more than {limit:,} bytes")
    length = request.headers.get("content-length", "")
    if limit and length.isdecimal() and int(length) > limit:
        raise error  # before it is read
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if limit and len(body) > limit:
            raise error
    return bytes(body)


async def read_fields(request: Request, limit: int) -> dict[str, Any]:
    """Return the fields of a request.

    Raises HTTPException: 413 if the body has more bytes than `limit` (0: unlimited), 400 if it is
    not understood.
    """
    body = await read_body(request, limit)

    async def replay() -> Message:
        return {"type": "http.request", "body": body}

    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    fields = _group(_read_urlencoded(request.scope["query_string"]))
    if kind == "application/x-www-form-urlencoded":
        fields |= _group((name, _unix_lines(value)) for name, value in _read_urlencoded(body))
    elif kind == "multipart/form-data":
        form = await Request(request.scope, replay).form(max_files=0, max_part_size=len(body) + 1)
        fields |= _group((name, _unix_lines(str(value))) for name, value in form.multi_items())
    elif body:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise invalid("the body is neither JSON nor a form") from error
        if not isinstance(content, dict):
            raise invalid("the body must be a JSON object")
        fields |= content
    return fields


def check_names(fields: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise HTTPException 400 for a field that is neither known nor one of ACCESS_FIELDS.

    LibreTranslate ignores such fields, but a misspelled one must not go unnoticed.
    """
    for name in fields.keys() - {*known, *ACCESS_FIELDS}:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)} and api_key"
        raise invalid(f"unknown field {replace_surrogates(name)!r}: {hint}")


def _read_urlencoded(content: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form or a query, which may have UTF-8 that is not percent-encoded.

    Raises HTTPException 400 for another encoding.
    """
    try:
        return parse_qsl(content.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise invalid("the fields are not UTF-8") from error


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return fields by name; one that is given several times is a list."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else each for name, each in values.items()}


def _unix_lines(value: str) -> str:
    """Undo the line ends CR LF that forms prescribe."""
    return value.replace("\r\n", "\n")


def parse_translate(fields: Mapping[str, Any]) -> TranslateRequest:
    """Check the fields of /translate. Raises HTTPException 400 with the field that is wrong."""
    check_names(fields, TRANSLATE_FIELDS)
    q = fields.get("q")
    if q is None or q == "" or q == []:
        raise invalid("missing q parameter")
    texts = q if isinstance(q, list) else [q]
    if not all(isinstance(text, str) for text in texts):
        raise invalid("q must be a string or a list of strings")
    prefixes = parse_prefixes(fields.get("prefix"), q)
    flags = {name: parse_flag(name, fields.get(name)) for name in FLAGS}
    stream = flags.pop("stream")
    request = TranslateRequest(
        [replace_surrogates(text) for text in texts],
        isinstance(q, list),
        parse_text("source", fields.get("source")),
        parse_text("target", fields.get("target")),
        parse_text("format", fields.get("format") or "text"),
        Wanted(
            parse_count("alternatives", fields.get("alternatives")),
            **flags,
            steering=parse_steering(fields),
        ),
        stream,
        prefixes,
    )
    if request.format not in FORMATS:
        raise invalid(f"format must be text or html, got {request.format}")
    if request.format == "html" and (request.wanted.details or stream or any(prefixes)):
        raise invalid("scores, alignments, attention, stream and prefix are for format text")
    if stream and request.is_list:
        raise invalid("stream is for one text, but q is a list")
    return request


def parse_prefixes(value: Any, q: str | list[str]) -> list[str]:
    """Return the prefix of each text: `value` has the shape of `q`, or is missing."""
    count = len(q) if isinstance(q, list) else 1
    if value is None or value == "":
        return [""] * count
    prefixes = value if isinstance(value, list) else [value]
    same_shape = isinstance(value, list) == isinstance(q, list) and len(prefixes) == count
    if not same_shape or not all(isinstance(prefix, str) for prefix in prefixes):
        raise invalid("prefix must be a string, or a list with a string for each text if q is one")
    return [replace_surrogates(prefix) for prefix in prefixes]


def parse_text(name: str, value: Any) -> str:
    """Return a field that must be text."""
    if value is None or value == "":
        raise invalid(f"missing {name} parameter")
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    return replace_surrogates(value)


def parse_count(name: str, value: Any) -> int:
    """Return a field that must be an integer >= 0; 0 if it is missing."""
    try:
        number = 0 if value in (None, "") else int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or isinstance(value, float):
        raise invalid(f"{name} must be an integer >= 0")
    return number


def parse_flag(name: str, value: Any) -> bool:
    """Return a field that must be true or false."""
    flag = read_flag("" if value is None else value)
    if flag is None:
        raise invalid(f"{name} must be true or false")
    return flag


def replace_surrogates(text: str) -> str:
    r"""Combine surrogates, as in JSON's "\ud83d\ude00", and replace single ones by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
