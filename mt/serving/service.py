"""The endpoints of the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from mt.data.detection import Detector
from mt.errors import MTError
from mt.serving.answer import answer_of, detection, error_message, event, translation
from mt.serving.limits import Limits, Places, RateLimit, is_known
from mt.serving.markup import plain_text
from mt.serving.metrics import CONTENT_TYPE
from mt.serving.models import Models
from mt.serving.parts import Part, Wanted
from mt.serving.patience import Patience
from mt.serving.request import (
    TranslateRequest,
    check_names,
    parse_text,
    parse_translate,
    read_fields,
)
from mt.serving.steering import invalid
from mt.serving.texts import Route, TextLines


@dataclass(frozen=True)
class Settings:
    """How a server behaves towards its clients."""

    limits: Limits = Limits()
    keys: frozenset[str] = frozenset()  # API keys, of which requests need one; empty: none needed
    origins: tuple[str, ...] = ()  # web sites whose scripts may use the server; *: all


class EventStream(StreamingResponse):
    """A stream of server-sent events, which takes a place until it ends.

    It ends without its last event if the client does not take one within `seconds`; 0: no limit.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str], places: Places, seconds: float) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.events, self.places, self.seconds = events, places, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self.seconds or None):
                await send(message)

        with self.places, contextlib.suppress(TimeoutError):
            async with contextlib.aclosing(self.events):
                await super().__call__(scope, receive, send_in_time)


class Service:
    """The endpoints. Each takes a request and returns its response."""

    def __init__(
        self, models: Models, settings: Settings, detector: Detector | None = None
    ) -> None:
        self.models, self.settings, self.detector = models, settings, detector
        self.metrics = models.metrics
        self.rate = RateLimit(settings.limits.per_minute)
        self.places = Places(settings.limits.active)

    async def translate(self, request: Request) -> Response:
        """Translate texts."""
        fields = await self._admit(request)
        asked = parse_translate(fields)
        self._check_size(asked.texts, asked.prefixes)
        source, detected = asked.source, None
        if source == "auto":
            source, detected = await self._detect_source(asked)
        route = self.models.route(source, asked.target)
        check_supported(route, asked, self.settings.limits.hypotheses)
        pair = f"{route.source}-{route.target}"
        characters = sum(map(len, asked.texts))
        request.scope["mt.facts"] = {"pair": pair, "characters": characters}
        self.places.check()
        self.metrics.characters.labels(pair).inc(characters)
        if asked.stream:
            events = self._stream(request, route, asked, detected)
            return EventStream(events, self.places, self.settings.limits.seconds)
        with self.places:
            async with Patience(request, self.settings.limits.seconds) as patience:
                answer = await patience.wait(translation(route, asked, detected))
        return JSONResponse(answer)

    async def detect(self, request: Request) -> Response:
        """Recognise the language of a text."""
        fields = await self._admit(request)
        check_names(fields, ("q",))
        text = parse_text("q", fields.get("q"))
        self._check_size([text])
        ranked = await asyncio.to_thread(self._detector().rank, text)
        likely = [(code, probability) for code, probability in ranked if probability >= 0.05]
        return JSONResponse([detection(*each) for each in likely or ranked[:1]])

    async def languages(self, request: Request) -> Response:
        """List source languages with their targets."""
        return JSONResponse(self.models.languages())

    async def list_models(self, request: Request) -> Response:
        """List pairs, with what their models can do."""
        return JSONResponse(self.models.describe())

    async def health(self, request: Request) -> Response:
        """Say that the server runs."""
        return JSONResponse({"status": "ok"})

    async def settings_of_page(self, request: Request) -> Response:
        """Return what LibreTranslate's clients ask for before they translate."""
        limits = self.settings.limits
        source, target = self.models.default_languages()
        return JSONResponse(
            {
                "apiKeys": bool(self.settings.keys),
                "keyRequired": bool(self.settings.keys),
                "charLimit": limits.characters or -1,
                "batchLimit": limits.texts or -1,
                "frontendTimeout": 500,
                "filesTranslation": False,
                "supportedFilesFormat": [],
                "suggestions": False,
                "detection": self.detector is not None,
                "language": {"source": source, "target": target},
            }
        )

    async def render_metrics(self, request: Request) -> Response:
        """Return metrics for Prometheus."""
        for model in self.models.models:
            self.metrics.waiting.labels(model.name).set(0)
        for model in self.models.models:  # several may have one name
            self.metrics.waiting.labels(model.name).inc(len(model.queue))
        self.metrics.active.set(self.places.taken)
        return Response(self.metrics.render(), media_type=CONTENT_TYPE)

    async def _admit(self, request: Request) -> dict[str, Any]:
        """Return the fields of a request whose key and rate are in order."""
        limits, keys = self.settings.limits, self.settings.keys
        try:
            async with asyncio.timeout(limits.seconds or None):
                fields = await read_fields(request, limits.body_bytes)
        except TimeoutError as error:
            message = f"the request did not arrive within {limits.seconds:g} s"
            raise HTTPException(408, message, {"Connection": "close"}) from error
        key = str(fields.get("api_key") or "")
        known = is_known(key, keys)
        address = request.client.host if request.client else ""
        self.rate.check(key if known else address)  # so that keys cannot be guessed without end
        if keys and not known:
            raise HTTPException(403, "invalid API key" if key else "an API key is needed: api_key")
        return fields

    def _check_size(self, texts: list[str], prefixes: Sequence[str] = ()) -> None:
        limits, characters = self.settings.limits, sum(map(len, [*texts, *prefixes]))
        for count, limit, unit in (
            (characters, limits.characters, "characters"),
            (len(texts), limits.texts, "texts"),
        ):
            if 0 < limit < count:
                raise HTTPException(413, f"too long: {count:,} {unit}, at most {limit:,} allowed")

    def _detector(self) -> Detector:
        if self.detector is None:
            raise HTTPException(
                501, "this server does not recognise languages: name the source language"
            )
        return self.detector

    async def _detect_source(self, asked: TranslateRequest) -> tuple[str, dict[str, Any]]:
        """Return the source language of all texts together, and what to tell the client."""
        sources, detector = self.models.sources_of(asked.target), self._detector()

        def choose() -> tuple[str, float]:
            read = plain_text if asked.format == "html" else str
            return detector.choose("\n".join(map(read, asked.texts)), sources)

        code, probability = await asyncio.to_thread(choose)
        return code, detection(code, probability)

    async def _stream(
        self,
        request: Request,
        route: Route,
        asked: TranslateRequest,
        detected: dict[str, Any] | None,
    ) -> AsyncGenerator[str]:
        """Yield server-sent events: each part when it is there, then the whole answer."""
        document = TextLines(asked.texts)
        begun = document.spread(asked.prefixes)
        parts: list[Part] = []
        async with (
            contextlib.aclosing(route.translate(document.lines, asked.wanted, begun)) as stream,
            Patience(request, self.settings.limits.seconds) as patience,
        ):
            try:
                while part := await patience.wait(anext(stream, None)):
                    parts.append(part)
                    text = {"source": part.translation.source, "text": part.translation.text}
                    yield event("part", {"line": part.line, **text, **part.details})
                texts = document.join(route.join_lines(parts, asked.wanted))
                yield event("done", answer_of(texts, [[]], asked, detected))
            except HTTPException as error:
                yield event("error", {"error": error.detail})
            except MTError as error:
                yield event("error", {"error": error_message(error)})


def check_supported(route: Route, asked: TranslateRequest, max_hypotheses: int) -> None:
    """Raise HTTPException 400, or UsageError, if the models cannot give what is asked for."""
    wanted, model = asked.wanted, route.models[-1]
    best = model.options(replace(wanted, alternatives=0))
    hypotheses = best.mbr or best.beam
    if (best.mbr or not best.sample) and wanted.alternatives >= hypotheses:
        raise invalid(f"alternatives must be <= {hypotheses - 1}, the number of hypotheses - 1")
    width = model.options(wanted).width
    allowed = max(max_hypotheses, model.options(Wanted()).width)  # by default, the server's own
    if max_hypotheses and width > allowed:
        raise invalid(f"{width} hypotheses of each sentence, at most {allowed} allowed")
    if len(route.models) > 1 and (wanted.details or wanted.steering.tag is not None):
        raise invalid(
            "scores, alignments, attention and tag need a model of this pair, not a pivot"
        )
    model.translator(wanted.steering.tag)
    if any(asked.prefixes):
        TextLines(asked.texts).spread(asked.prefixes)
    if (wanted.alignments or wanted.attention) and not route.attends:
        raise invalid("the engine of this pair gives no alignments and no attention")
