"""Limits of what clients may ask for: API keys, requests a minute, and requests at a time."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.exceptions import HTTPException

from mt.errors import MTError, UsageError

BYTES_PER_CHARACTER = 12  # at most, as in "\\ud83d\\ude00" of JSON or %F0%9F%98%80 of forms
OTHER_BYTES = 100_000  # of a body: names of fields, quotation marks and spaces between texts
MAX_CLIENTS = 10_000  # whose rate is remembered


@dataclass(frozen=True)
class Limits:
    """The limits of a server; 0 means unlimited."""

    characters: int = 20_000  # of the texts of a request
    texts: int = 200  # of a request
    active: int = 256  # requests that are translated at a time
    seconds: float = 60.0  # for a request
    per_minute: int = 0  # requests of a client
    hypotheses: int = 64  # of a sentence: beam size, candidates or samples

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise UsageError(f"{name} must be >= 0, got {value}")

    @property
    def body_bytes(self) -> int:
        """The number of bytes that the body of a request may have; 0: unlimited."""
        return BYTES_PER_CHARACTER * self.characters + OTHER_BYTES if self.characters else 0


class RateLimit:
    """A token bucket for each client: it may use a minute's requests at once, then at the rate."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self.clock = per_minute, clock
        # Client -> the requests it has left, and when they were counted; the latest last.
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Count a request; raise HTTPException 429 if the client has none left."""
        if not self.per_minute:
            return
        now, full = self.clock(), float(self.per_minute)
        left, then = self.buckets.pop(client, (full, now))
        left = min(full, left + (now - then) * self.per_minute / 60)
        allowed = left >= 1
        self.buckets[client] = (left - allowed, now)
        if len(self.buckets) > MAX_CLIENTS:
            self.buckets.popitem(last=False)
        if not allowed:
            seconds = int((1 - left) * 60 / self.per_minute) + 1
            raise HTTPException(
                429,
                f"too many requests: {self.per_minute} a minute are allowed, "
                f"try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )


@dataclass
class Places:
    """The places for requests that are translated at the same time; use as a context."""

    limit: int
    taken: int = field(default=0, init=False)

    def check(self) -> None:
        """Raise HTTPException 503 if no place is left."""
        if self.limit and self.taken >= self.limit:
            raise HTTPException(
                503,
                f"the server is busy with {self.taken} requests: try again later",
                {"Retry-After": "5"},
            )

    def __enter__(self) -> None:
        self.check()
        self.taken += 1

    def __exit__(self, *error: object) -> None:
        self.taken -= 1


def is_known(key: str, keys: frozenset[str]) -> bool:
    """Return whether an API key is one of the `keys`; the time it takes does not say how near."""
    given = key.encode("utf-8", "replace")
    return any(hmac.compare_digest(given, each.encode()) for each in keys)


def read_keys(path: Path) -> frozenset[str]:
    """Return the API keys in a file, one a line; blank lines and those with # do not count.

    Raises MTError if it cannot be read or has no key.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MTError(f"cannot read the API keys in {path}: {error}") from error
    keys = frozenset(key for line in lines if (key := line.strip()) and not key.startswith("#"))
    if not keys:
        raise MTError(f"{path} has no API key: write one a line")
    return keys
