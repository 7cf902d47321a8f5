"""The server process: uvicorn, which ends in good order."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from mt.errors import MTError
from mt.signals import STOP_SIGNALS

BACKLOG = 2048  # connections that the system accepts before the server does


class Server(uvicorn.Server):
    """A server that a signal stops: it takes no more requests and finishes those it has.

    A second SIGINT ends it at once. Ending is no failure: the signal is not raised again, as
    uvicorn does.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def listen(host: str, port: int, patience_seconds: float = 0.0) -> socket.socket:
    """Return a socket that listens; raise MTError if the address is not free or not ours.

    A client that reads nothing of its answer for `patience_seconds` loses its connection, if the
    system can do that, as Linux can; 0: no limit.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        reason = reason.partition(" (while ")[0]  # which Python adds
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason += "; choose another with --port"
        raise MTError(f"cannot listen on {host}, port {port}: {reason}") from error
    # Connections inherit it. Without it, an answer in two packets waits 40 ms for the client to
    # acknowledge the first; asyncio sets it only for sockets that name their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if patience_seconds and hasattr(socket, "TCP_USER_TIMEOUT"):
        # Connections inherit it. asyncio would keep one with an unread answer for ever.
        milliseconds = min(int(1000 * patience_seconds), 2**31 - 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def build_server(app: Starlette, grace_seconds: float) -> Server:
    """Return a server of `app`: `run(sockets=[...])` serves until a signal arrives.

    It then waits up to `grace_seconds` for running requests; 0: for ever.
    """
    return Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(grace_seconds) + 1 if grace_seconds else None,
        )
    )
