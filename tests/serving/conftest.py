"""A server of a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mt
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
