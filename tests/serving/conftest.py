"""A server of a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mt
from helpers.browsers import launch_browser
from helpers.servers import Client, serving
from mt.inspection.inspector import Inspector
from mt.serving.app import create_app
from mt.serving.limits import Limits
from mt.serving.metrics import Metrics
from mt.serving.models import Models
from mt.serving.service import Settings


@pytest.fixture(scope="module")
def inspector(run: Path) -> Inspector:
    return mt.inspect(mt.load(run, device="cpu", precision="fp32", split_sentences=True))


@pytest.fixture(scope="module")
def make_models(inspector: Inspector) -> Callable[..., Models]:
    """Return a function that makes models of pairs such as en-de; all are the same model."""

    def make(*pairs: str, pivot: bool = False) -> Models:
        models = Models(Metrics(), pivot)
        for pair in pairs or ("en-de",):
            source, target = pair.split("-")
            models.add(pair, (source, target), inspector)
        return models

    return make


@pytest.fixture(scope="module")
def client(make_models: Callable[..., Models]) -> Iterator[Client]:
    limits = Limits(characters=2000, texts=10, hypotheses=32)
    with serving(create_app(make_models(), Settings(limits))) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launch_browser()


@pytest.fixture(scope="module")
def page_server(make_models: Callable[..., Models]) -> Iterator[Client]:
    """Serve three pairs; the page begins with en-de."""
    models = make_models("en-de", "de-en", "ar-de")
    with serving(create_app(models, Settings(Limits(characters=500)))) as client:
        yield client


@pytest.fixture
def open_page(browser: Any, page_server: Client) -> Iterator[Callable[..., Any]]:
    """Open pages; fail the test if one logs, raises an error or asks another server."""
    events: list[str] = []
    pages = []

    def open_page(width: int = 1280, scheme: str = "light", clock: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        page = context.new_page()
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(page_server.url) else events.append(request.url)
            ),
        )
        if clock:
            page.clock.install()
        page.goto(page_server.url)
        pages.append(context)
        return page

    yield open_page
    for context in pages:
        context.close()
    assert events == []
