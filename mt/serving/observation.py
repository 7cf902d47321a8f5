"""Records of requests: metrics and a log, which never contain the texts of users."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt.serving.metrics import Metrics

PATHS = ("/translate", "/detect", "/languages", "/models", "/frontend/settings")
UNLOGGED = ("/health", "/metrics")  # asked for every few seconds


class ObserveRequests:
    """ASGI middleware that counts each request and logs it."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, log: Callable[[dict[str, Any]], None]
    ) -> None:
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            seconds, path = time.perf_counter() - start, scope["path"]
            # Paths that clients make up must not become labels.
            known = path if path in (*PATHS, *UNLOGGED) else "other"
            self.metrics.observe_request(known, status, seconds)
            if path not in UNLOGGED:
                self.log(
                    {
                        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                        "method": scope["method"],
                        "path": known,
                        "status": status,
                        "seconds": round(seconds, 4),
                        **scope.get("mt.facts", {}),
                    }
                )


def log_to_stderr(record: dict[str, Any]) -> None:
    """Write a record as one line of JSON on standard error."""
    print(json.dumps(record, ensure_ascii=False), file=sys.stderr, flush=True)
