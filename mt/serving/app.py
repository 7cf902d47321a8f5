"""The ASGI application: endpoints, errors, and the files of the page."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mt.data.detection import Detector
from mt.errors import MTError, UsageError
from mt.serving.answer import error_message
from mt.serving.models import Models
from mt.serving.observation import ObserveRequests
from mt.serving.patience import CLIENT_CLOSED
from mt.serving.service import Service, Settings

ASSETS = Path(__file__).parent / "assets"
# The page and its files come from this server, and nothing else does.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


async def show_error(request: Request, error: Exception) -> Response:
    """Return an error as LibreTranslate does: an object with the key `error`."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_CLOSED)
    if isinstance(error, MTError):
        return JSONResponse(
            {"error": error_message(error)}, 400 if isinstance(error, UsageError) else 500
        )
    return JSONResponse({"error": "internal error"}, 500)


class Assets(StaticFiles):
    """The files of the pages."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(HEADERS)
        return response


def file_endpoint(name: str) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that sends an asset."""

    async def send_file(request: Request) -> Response:
        return FileResponse(ASSETS / name, headers=HEADERS)

    return send_file


def create_app(
    models: Models,
    settings: Settings,
    detector: Detector | None = None,
    log: Callable[[dict[str, Any]], None] = lambda record: None,
) -> Starlette:
    """Return the ASGI application; `log` receives a record of each request, without its text."""
    service = Service(models, settings, detector)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with models.running():
            yield

    middleware = [Middleware(ObserveRequests, models.metrics, log)]
    if settings.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
            )
        )
    handlers = dict.fromkeys((HTTPException, ClientDisconnect, MTError, Exception), show_error)
    both = ["GET", "POST"]
    return Starlette(
        routes=[
            Route("/translate", service.translate, methods=["POST"]),
            Route("/detect", service.detect, methods=["POST"]),
            Route("/languages", service.languages, methods=both),
            Route("/models", service.list_models),
            Route("/health", service.health),
            Route("/frontend/settings", service.settings_of_page),
            Route("/metrics", service.render_metrics),
            Route("/openapi.json", file_endpoint("openapi.json")),
            Route("/docs", file_endpoint("docs.html")),
            Route("/", file_endpoint("index.html")),
            Mount("/assets", Assets(directory=ASSETS)),
        ],
        middleware=middleware,
        exception_handlers=handlers,
        lifespan=lifespan,
    )
