"""The JSON objects of answers."""

from __future__ import annotations

import json
from typing import Any

from mt.decoding.engines.engine import Unsupported
from mt.errors import MTError, UsageError
from mt.serving.markup_transfer import translate_html
from mt.serving.request import TranslateRequest
from mt.serving.texts import Route, translate_texts


async def translation(
    route: Route, asked: TranslateRequest, detected: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the answer to a request."""
    if asked.format == "html":
        texts = await translate_html(route, asked.texts, asked.wanted)
        return answer_of(texts, [[] for _ in texts], asked, detected)
    translated = await translate_texts(route, asked.texts, asked.wanted, asked.prefixes)
    return answer_of(
        [text.texts for text in translated], [text.parts for text in translated], asked, detected
    )


def answer_of(
    texts: list[list[str]],
    parts: list[list[dict[str, Any]]],
    asked: TranslateRequest,
    detected: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the JSON object of an answer; its values are lists if `q` was one."""

    def shape(values: list[Any]) -> Any:
        return values if asked.is_list else values[0]

    answer: dict[str, Any] = {"translatedText": shape([ranked[0] for ranked in texts])}
    if detected:
        answer["detectedLanguage"] = shape([detected] * len(texts))
    if asked.wanted.alternatives:
        answer["alternatives"] = shape([unique_alternatives(ranked) for ranked in texts])
    if asked.wanted.details and not asked.stream:
        answer["parts"] = shape(parts)
    return answer


def unique_alternatives(ranked: list[str]) -> list[str]:
    """Return the translations besides the best one, each once."""
    return [text for text in dict.fromkeys(ranked) if text != ranked[0]]


def error_message(error: MTError) -> str:
    """Return what a client is told; the advice of engines names flags that it does not have."""
    if isinstance(error, Unsupported):
        return f"invalid request: {error.reason}"
    return f"invalid request: {error}" if isinstance(error, UsageError) else str(error)


def detection(code: str, probability: float) -> dict[str, Any]:
    """Return a detected language as clients expect it, in per cent."""
    return {"language": code, "confidence": round(100 * probability, 1)}


def event(name: str, data: dict[str, Any]) -> str:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
