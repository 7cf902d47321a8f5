"""Many requests of odd texts at the same time: each answer belongs to its question."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from helpers.servers import serving
from helpers.tiny_models import WORDS
from mt.inspection.inspector import Inspector
from mt.serving.app import create_app
from mt.serving.limits import Limits
from mt.serving.models import Models
from mt.serving.service import Settings

REQUESTS = 1000
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


def odd_text(number: int) -> str:
    """Return a text that no other number has, of words and odd characters."""
    choose = random.Random(number)
    words = choose.choices(WORDS + ODD, k=choose.randint(0, 12))
    return " ".join([*words, str(number)]) if number % 7 else f"{number}\n\n" + "\n".join(words)


async def ask(address: tuple[str, int], text: str, vanish: bool) -> str | None:
    """Return the translation of a text; None if this client goes away before the answer."""
    reader, writer = await asyncio.open_connection(*address)
    body = json.dumps({"q": text, "source": "en", "target": "de"}).encode()
    head = (
        f"POST /translate HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}"
    )
    half = len(body) // 2
    writer.write(head.encode() + b"\r\n\r\n" + body[:half])
    await writer.drain()
    await asyncio.sleep(random.Random(len(text)).random())  # a slow client
    writer.write(body[half:])
    await writer.drain()
    if vanish:
        writer.close()
        return None
    answer = await reader.read()
    writer.close()
    status, _, content = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200"), answer
    return json.loads(content)["translatedText"]


@pytest.mark.slow
def test_a_thousand_requests_get_their_own_answers(
    make_models: Callable[..., Models], inspector: Inspector
) -> None:
    texts = [odd_text(number) for number in range(REQUESTS)]
    vanishing = [number % 11 == 5 for number in range(REQUESTS)]

    async def ask_all(address: tuple[str, int]) -> list[str | None]:
        places = asyncio.Semaphore(400)  # open files of this process

        async def one(text: str, vanish: bool) -> str | None:
            async with places:
                return await ask(address, text, vanish)

        return await asyncio.gather(*map(one, texts, vanishing))

    settings = Settings(Limits(active=0, seconds=0))
    with serving(create_app(make_models(), settings)) as client:
        host, port = client.url.removeprefix("http://").split(":")
        answers = asyncio.run(ask_all((host, int(port))))
        metrics = client.ask("/metrics").body.decode()
        assert "mt_translations_active 0.0" in metrics
    for text, answer, vanish in zip(texts, answers, vanishing, strict=True):
        if not vanish:
            assert answer is not None and answer.count("\n") == text.count("\n")
    sample = [number for number in range(0, REQUESTS, 9) if not vanishing[number]]
    lines = [line for number in sample for line in texts[number].replace("\r", "\n").split("\n")]
    translated = iter(inspector.translator.translate(lines))
    for number in sample:
        whole = [next(translated) for _ in texts[number].replace("\r", "\n").split("\n")]
        found = (answers[number] or "").replace("\r", "\n").split("\n")
        assert found == whole
