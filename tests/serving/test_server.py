"""The sockets of a server."""

from __future__ import annotations

import socket

import pytest

from mt.errors import MTError
from mt.serving.server import listen


def test_an_answer_does_not_wait_for_acknowledgements() -> None:
    with listen("127.0.0.1", 0) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_and_an_unknown_host_are_said_in_few_words() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(MTError, match="Address already in use; choose another with --port$"):
            listen("127.0.0.1", port)
    with pytest.raises(MTError, match="cannot listen on 256.0.0.1, port 5000: [^(]*$"):
        listen("256.0.0.1", 5000)
