"""Servers of tiny models, in a thread of this process, and requests to them."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from mt.serving.server import build_server, listen


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    url: str

    def ask(self, path: str, data: Any = None, **headers: str) -> Answer:
        """Send a request: POST if there is data, JSON unless it is bytes."""
        if data is not None and not isinstance(data, bytes):
            data = json.dumps(data).encode()
            headers.setdefault("content-type", "application/json")
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)

    def translate(self, q: Any, **fields: Any) -> Answer:
        return self.ask("/translate", {"q": q, "source": "en", "target": "de", **fields})


@contextlib.contextmanager
def serving(app: Starlette) -> Iterator[Client]:
    """Serve an application while the block runs."""
    listener = listen("127.0.0.1", 0)
    server = build_server(app, 5.0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()
