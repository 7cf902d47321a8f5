"""Waiting for results as long as the client does, and no longer than the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

Result = TypeVar("Result")
CLIENT_CLOSED = 499  # the status that nginx logs if a client goes away


class Patience:
    """Waits for what a request asked for; use as an async context. The body must have been read."""

    def __init__(self, request: Request, seconds: float) -> None:
        """`seconds` limits the whole context; 0: no limit."""
        self.request, self.seconds = request, seconds

    async def __aenter__(self) -> Self:
        now = asyncio.get_running_loop().time()
        self.deadline = now + self.seconds if self.seconds else None
        self.gone = asyncio.create_task(until_gone(self.request))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.gone.cancel()

    async def wait(self, work: Awaitable[Result]) -> Result:
        """Return the result of `work`.

        Cancels it and raises HTTPException if it takes too long (504), or if the client goes away
        (499, which nobody sees).
        """
        task = asyncio.ensure_future(work)
        now = asyncio.get_running_loop().time()
        try:
            await asyncio.wait(
                {task, self.gone},
                timeout=None if self.deadline is None else max(0.0, self.deadline - now),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if task.done():
                return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})  # until it has given up what it holds
        if self.gone.done():
            raise HTTPException(CLIENT_CLOSED, "the client has closed the connection")
        raise HTTPException(504, f"not translated within {self.seconds:g} s")


async def until_gone(request: Request) -> None:
    """Return when the client of a request, whose body has been read, closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
