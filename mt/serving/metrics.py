"""Metrics in the format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mt.version import __version__

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        info = Gauge("mt_info", "Version of mt.", ["version"], registry=registry)
        info.labels(__version__).set(1)
        self.requests = Counter(
            "mt_requests", "Answered requests.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "mt_request_seconds",
            "Time from a request to the end of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.characters = Counter(
            "mt_characters", "Characters of texts to translate.", ["pair"], registry=registry
        )
        self.active = Gauge(
            "mt_translations_active", "Translations that are waited for.", registry=registry
        )
        self.waiting = Gauge(
            "mt_parts_waiting", "Sentences that are in no batch yet.", ["model"], registry=registry
        )
        sizes = [2**power for power in range(14)]
        self.batch_parts = Histogram(
            "mt_batch_sentences", "Sentences of a batch.", ["model"], buckets=sizes[:10],
            registry=registry,
        )  # fmt: skip
        self.batch_tokens = Histogram(
            "mt_batch_tokens", "Source tokens of a batch.", ["model"], buckets=sizes,
            registry=registry,
        )  # fmt: skip

    def observe_batch(self, model: str, parts: int, tokens: int) -> None:
        """Count one batch."""
        self.batch_parts.labels(model).observe(parts)
        self.batch_tokens.labels(model).observe(tokens)

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def render(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)
