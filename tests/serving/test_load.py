"""10,000 requests of odd texts at the same time: each answer belongs to its question."""

from __future__ import annotations

import asyncio
import json
import random
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import mt
from helpers.servers import serving
from helpers.tiny_models import WORDS
from mt.decoding.engines.engine import Unsupported
from mt.decoding.options import SearchOptions
from mt.decoding.search import Hypothesis
from mt.serving.app import create_app
from mt.serving.limits import Limits
from mt.serving.metrics import Metrics
from mt.serving.models import Models
from mt.serving.service import Settings

REQUESTS = 10_000
OTHER_FILES = 500  # that this process may have open besides the connections
ODD = [
    "",
    " ",
    "\u200b",
    "\ud83d",
    "😀" * 9,
    "\x00",
    "a\r\nb",
    "é́́",
    "。".join("字" * 9),
    "‮abc",
    "<b>x</b>",
]


class EchoEngine:
    """An engine that finds the source itself, as often as there are candidates."""

    device = torch.device("cpu")
    concurrent = 2

    @property
    def models(self) -> list[Any]:
        raise Unsupported("there is no model")

    def check(self, options: SearchOptions) -> None:
        """Accept all options."""

    def search(
        self, sources: Sequence[list[int]], options: SearchOptions, *others: Any
    ) -> list[list[Hypothesis]]:
        return [[Hypothesis(row, 0.0, 0.0, True)] * options.candidates for row in sources]


def odd_text(number: int) -> str:
    """Return a text that no other number has, of words and odd characters."""
    choose = random.Random(number)
    words = choose.choices(WORDS + ODD, k=choose.randint(0, 12))
    return " ".join([*words, str(number)]) if number % 7 else f"{number}\n\n" + "\n".join(words)


async def ask(address: tuple[str, int], number: int, go: asyncio.Event) -> str | None:
    """Return the translation of a text; None if this client goes away before the answer.

    Clients connect, wait for each other and send a request with different options.
    """
    reader, writer = await asyncio.open_connection(*address)
    fields = {"q": odd_text(number), "source": "en", "target": "de", "beam": 1 + number % 3}
    body = json.dumps(fields).encode()
    head = (
        f"POST /translate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}"
    )
    half = len(body) // 2
    writer.write(head.encode() + b"\r\n\r\n" + body[:half])
    await go.wait()  # a slow client
    writer.write(body[half:])
    await writer.drain()
    if number % 11 == 5:
        writer.close()
        return None
    answer = await reader.read()
    writer.close()
    status, _, content = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200"), answer
    return json.loads(content)["translatedText"]


async def ask_all(address: tuple[str, int], numbers: Sequence[int]) -> list[str | None]:
    go = asyncio.Event()
    tasks = []
    for start in range(0, len(numbers), 200):  # the system accepts a limited number at once
        tasks += [asyncio.create_task(ask(address, n, go)) for n in numbers[start : start + 200]]
        await asyncio.sleep(0.1)
    go.set()
    return await asyncio.gather(*tasks)


@pytest.mark.slow
def test_ten_thousand_requests_get_their_own_answers(
    run: Path,
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    at_once = (hard - OTHER_FILES) // 2  # both ends of a connection are in this process
    translator = mt.load(run, device="cpu", split_sentences=True)
    translator.engine = EchoEngine()  # type: ignore[assignment]
    models = Models(Metrics())
    models.add("echo", ("en", "de"), mt.inspect(translator))
    with serving(create_app(models, Settings(Limits(active=0, seconds=0)))) as client:
        host, port = client.url.removeprefix("http://").split(":")
        answers: list[str | None] = []
        while len(answers) < REQUESTS:
            numbers = range(len(answers), min(REQUESTS, len(answers) + at_once))
            answers += asyncio.run(ask_all((host, int(port)), numbers))
        assert "mt_translations_active 0.0" in client.ask("/metrics").body.decode()
    asked = [number for number, answer in enumerate(answers) if answer is not None]
    assert len(asked) > 0.9 * REQUESTS
    for number in asked:
        lines = odd_text(number).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        expected = translator.translate(lines.replace("\r\n", "\n").split("\n"))
        assert str(answers[number]).replace("\r\n", "\n").split("\n") == expected
