"""Limits: each has a status of its own, and what a client gives up is free again."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from helpers.servers import Client, serving
from mt.errors import MTError, UsageError
from mt.inspection.inspector import Inspector
from mt.serving.app import create_app
from mt.serving.limits import Limits, Places, RateLimit, read_keys
from mt.serving.models import Models
from mt.serving.server import listen
from mt.serving.service import EventStream, Settings


class Gate:
    """Lets searches of a model wait until `open` is set, and counts their sentences."""

    def __init__(self, models: Models) -> None:
        self.open, self.entered, self.rows = threading.Event(), threading.Event(), 0
        queue = models.models[0].queue
        search = queue.search

        def wait(rows: Any, how: Any, stop: Any) -> Any:
            self.entered.set()
            assert self.open.wait(30)
            self.rows += len(rows)
            return search(rows, how, stop)

        queue.search = wait


@contextmanager
def gated(
    models: Models, settings: Settings, records: list[dict[str, Any]] | None = None
) -> Iterator[tuple[Client, Gate]]:
    gate = Gate(models)
    log = (lambda record: None) if records is None else records.append
    with serving(create_app(models, settings, None, log)) as client:
        try:
            yield client, gate
        finally:
            gate.open.set()


def send(client: Client, **fields: Any) -> socket.socket:
    """Send a request and return the connection without reading the answer."""
    body = json.dumps({"q": "a dog", "source": "en", "target": "de", **fields})
    host, port = client.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    head = f"POST /translate HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())
    return connection


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def gauge(client: Client, name: str) -> float:
    lines = client.ask("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.parametrize(
    "q, message",
    [
        ("x" * 2001, "2,001 characters, at most 2,000"),
        (["x" * 1000, "y" * 1001], "2,001 characters"),
        (["x"] * 11, "11 texts, at most 10"),
        ("x" * 124_000, "more than 124,000 bytes"),
    ],
)
def test_a_text_that_is_too_long_gets_413(client: Client, q: Any, message: str) -> None:
    answer = client.translate(q)
    assert answer.status == 413 and message in answer.json["error"]


def test_characters_are_counted_not_bytes(client: Client) -> None:
    assert client.translate("😀" * 40 + "\n" * 1900).status == 200


def test_a_key_is_needed_if_there_are_keys(make_models: Callable[..., Models]) -> None:
    with serving(create_app(make_models(), Settings(keys=frozenset({"a", "b"})))) as client:
        assert client.ask("/languages").status == 200
        assert client.ask("/frontend/settings").json["keyRequired"] is True
        assert client.translate("a dog").status == 403
        assert client.translate("a dog", api_key="c").json == {"error": "invalid API key"}
        assert client.translate("a dog", api_key=["a"]).status == 403
        assert client.translate("a dog", api_key="\ud800").status == 403
        assert client.translate("a dog", api_key="b").status == 200


def test_each_client_has_its_own_rate() -> None:
    now = 0.0
    rate = RateLimit(2, lambda: now)
    rate.check("a")
    rate.check("a")
    rate.check("b")
    with pytest.raises(HTTPException, match="2 a minute are allowed, try again in 31 s") as info:
        rate.check("a")
    assert info.value.status_code == 429 and info.value.headers == {"Retry-After": "31"}
    now = 29.0
    with pytest.raises(HTTPException):
        rate.check("a")
    now = 31.0
    rate.check("a")
    for _ in range(3):
        RateLimit(0).check("a")  # unlimited


def test_a_client_that_asks_too_often_gets_429(make_models: Callable[..., Models]) -> None:
    with serving(create_app(make_models(), Settings(Limits(per_minute=2)))) as client:
        assert [client.translate("a").status for _ in range(3)] == [200, 200, 429]
        assert 0 < int(client.translate("a").headers["retry-after"]) <= 31
        assert client.ask("/health").status == 200


def test_wrong_keys_are_counted_by_address(make_models: Callable[..., Models]) -> None:
    settings = Settings(Limits(per_minute=2), frozenset({"a"}))
    with serving(create_app(make_models(), settings)) as client:
        assert [client.translate("a", api_key=key).status for key in "bcd"] == [403, 403, 429]
        assert client.translate("a", api_key="a").status == 200


def test_a_body_that_arrives_too_slowly_gets_408(make_models: Callable[..., Models]) -> None:
    with serving(create_app(make_models(), Settings(Limits(seconds=0.2)))) as client:
        host, port = client.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            connection.sendall(b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
            answer = connection.makefile("rb").read()  # until the server closes the connection
        assert answer.startswith(b"HTTP/1.1 408") and b"did not arrive within 0.2 s" in answer


def test_requests_beyond_the_places_get_503_until_one_is_free(
    make_models: Callable[..., Models],
) -> None:
    with gated(make_models(), Settings(Limits(active=2))) as (client, gate):
        held = [send(client), send(client, stream=True)]
        wait_for(lambda: gauge(client, "mt_translations_active") == 2)
        for stream in (False, True):
            answer = client.translate("a dog", stream=stream)
            assert answer.status == 503 and answer.headers["retry-after"] == "5"
        gate.open.set()
        for connection in held:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            connection.close()
        wait_for(lambda: gauge(client, "mt_translations_active") == 0)
        assert client.translate("a dog").status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_place_and_is_not_translated(
    make_models: Callable[..., Models], stream: bool
) -> None:
    with gated(make_models(), Settings(Limits(active=2))) as (client, gate):
        first = send(client)
        assert gate.entered.wait(20)  # its batch is being searched
        second = send(client, stream=stream, q="a dog\na cat\nthe house")
        wait_for(lambda: gauge(client, "mt_parts_waiting") == 3)
        second.close()
        wait_for(lambda: gauge(client, "mt_parts_waiting") == 0)
        wait_for(lambda: gauge(client, "mt_translations_active") == 1)
        gate.open.set()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        first.close()
        assert client.translate("a dog").status == 200
    assert gate.rows == 2


def test_a_request_that_takes_too_long_gets_504(make_models: Callable[..., Models]) -> None:
    with gated(make_models(), Settings(Limits(seconds=0.2))) as (client, _):
        answer = client.translate("a dog")
        assert answer.status == 504 and answer.json["error"] == "not translated within 0.2 s"
        events = client.translate("a dog", stream=True).body.decode()
        assert events == 'event: error\ndata: {"error": "not translated within 0.2 s"}\n\n'
        assert gauge(client, "mt_translations_active") == 0


class SlowModel:
    """A model whose steps wait until `pace` lets them pass; counts them."""

    def __init__(self, model: Any) -> None:
        self.model, self.pace, self.steps = model, threading.Semaphore(0), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def step(self, *arguments: Any) -> Any:
        self.steps += 1
        assert self.pace.acquire(timeout=30)
        return self.model.step(*arguments)


@pytest.mark.parametrize("leave", ["timeout", "close", "close a stream"])
def test_a_search_that_nobody_waits_for_costs_no_further_step(
    make_models: Callable[..., Models],
    inspector: Inspector,
    monkeypatch: pytest.MonkeyPatch,
    leave: str,
) -> None:
    engine = inspector.translator.engine
    slow = SlowModel(engine.searched)
    models, limits = make_models(), Limits(seconds=1 if leave == "timeout" else 60)
    with serving(create_app(models, Settings(limits))) as client:
        monkeypatch.setattr(engine, "searched", slow)
        connection = send(client, q="a dog\nthe cat sees the house .", stream="stream" in leave)
        wait_for(lambda: slow.steps == 1)
        if leave == "timeout":
            assert connection.recv(100).startswith(b"HTTP/1.1 504")
        connection.close()
        wait_for(lambda: gauge(client, "mt_translations_active") == 0)
        slow.pace.release()
        models.executor.submit(lambda: None).result(30)  # the one thread that searches is free
    assert slow.steps == 1


def test_a_client_that_does_not_read_its_events_frees_its_place() -> None:
    places, ended = Places(1), []

    async def events() -> AsyncGenerator[str]:
        try:
            for number in range(5):
                yield f"event: part\ndata: {number}\n\n"
        finally:
            ended.append(True)

    async def receive() -> Message:
        await asyncio.sleep(30)
        raise AssertionError

    async def respond(seconds: float) -> list[Message]:
        taken: list[Message] = []

        async def send(message: Message) -> None:
            if len(taken) == 3:
                await asyncio.sleep(30)  # the buffers of the connection are full
            taken.append(message)

        stream = EventStream(events(), places, seconds)
        await stream({"type": "http"}, receive, send)
        return taken

    taken = asyncio.run(asyncio.wait_for(respond(0.05), 20))
    assert len(taken) == 3 and ended == [True] and places.taken == 0
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(respond(0), 0.5))  # 0: no limit


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only on Linux")
def test_a_connection_whose_client_does_not_read_is_closed() -> None:
    with listen("127.0.0.1", 0, 0.5) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        connection, _ = listener.accept()
        connection.settimeout(30)
        with connection, pytest.raises(OSError) as error:
            connection.sendall(bytes(50_000_000))
        assert error.value.errno == errno.ETIMEDOUT


def test_an_error_of_the_engine_is_an_answer(make_models: Callable[..., Models]) -> None:
    models = make_models()

    def fail(rows: Any, how: Any, stop: Any) -> Any:
        raise MTError("out of memory")

    models.models[0].queue.search = fail
    with serving(create_app(models, Settings())) as client:
        answer = client.translate("a dog")
        assert answer.status == 500 and answer.json == {"error": "out of memory"}
        events = client.translate("a dog", stream=True).body.decode()
        assert events == 'event: error\ndata: {"error": "out of memory"}\n\n'


def test_the_log_has_no_text_of_users_and_metrics_count(
    make_models: Callable[..., Models],
) -> None:
    records: list[dict[str, Any]] = []
    with gated(make_models(), Settings(keys=frozenset({"secret"})), records) as (client, gate):
        gate.open.set()
        client.translate("a dog\na cat", api_key="secret")
        client.ask("/translate?q=private&source=en&target=de&api_key=secret", b"")
        client.translate("a dog", stream=True, api_key="secret")
        client.ask("/private")
        client.ask("/health")
        assert gauge(client, "mt_characters_total") == 11 + 7 + 5
        assert gauge(client, 'mt_requests_total{path="/translate",status="200"}') == 3
        assert gauge(client, "mt_batch_sentences_sum") == 4
    assert [(r["path"], r["status"]) for r in records] == [
        ("/translate", 200), ("/translate", 200), ("/translate", 200), ("other", 404),
    ]  # fmt: skip
    assert records[0]["pair"] == "en-de" and records[0]["characters"] == 11
    text = json.dumps(records)
    assert not [word for word in ("dog", "cat", "private", "secret") if word in text]


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    for encoding in ("utf-8", "utf-8-sig"):  # the latter with a byte order mark
        path.write_text("abc\n# mine\n\n def \n", encoding=encoding)
        assert read_keys(path) == {"abc", "def"}
    path.write_text("# none\n", encoding="utf-8")
    for wrong, message in ((path, "has no API key"), (tmp_path / "x", "cannot read")):
        with pytest.raises(MTError, match=message):
            read_keys(wrong)


def test_limits_are_not_negative() -> None:
    with pytest.raises(UsageError, match="seconds must be >= 0, got -1"):
        Limits(seconds=-1)
