"""Actors on a Ray cluster that share calls of a method or function, in order.

Ray Data is not used: it ends its job at a file that cannot be read, or drops that silently, and
every machine would have to see the files.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mt.device import count_cores
from mt.errors import MTError
from mt.optional import require
from mt.signals import STOP_SIGNALS, StopSignal

ADDRESS = "RAY_ADDRESS"  # environment variable; unset: a cluster of this machine's cores and GPUs
ANSWER_SECONDS = 10
AHEAD = 3  # calls for each actor that are begun before the first result is taken
MAX_LOSSES = 2  # actors that a call may lose and be tried again

Say = Callable[[str], None]


@dataclass(eq=False)
class Call:
    """The arguments of a call and, once it is `done`, its result or the MTError that it raised."""

    arguments: tuple[Any, ...]
    result: Any = None
    done: bool = False
    losses: int = 0


class ActorPool:
    """Actors with the methods `call` and `start`, which is called before and has no arguments.

    If an actor is lost, by itself or with its machine, the next free one gets its call, and another
    actor is started.
    """

    def __init__(self, ray: ModuleType, create: Callable[[], Any], size: int, say: Say) -> None:
        self.ray, self.create, self.size, self.say = ray, create, size, say
        self.idle: list[Any] = []
        self.busy: dict[Any, tuple[Any, Call | None]] = {}  # by the reference of the result
        self.queue: deque[Call] = deque()  # calls that no actor has
        self.failed_starts = 0
        for _ in range(size):
            self._start()

    def wait_for_start(self) -> None:
        """Wait until an actor has started. Raises the errors of `map`."""
        while not self.idle:
            self._assign(wait=True)

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield items in their order; in the place of each `Call`, its result or its MTError.

        A few calls for each actor are in memory. Raises what `start` does, and MTError if actors
        cannot be started.
        """
        limit = AHEAD * self.size
        begun: deque[Any] = deque()
        calls = 0
        for item in items:
            begun.append(item)
            if isinstance(item, Call):
                calls += 1
                self.queue.append(item)
            self._assign(wait=False)
            while calls >= limit or len(begun) >= AHEAD * limit:
                calls -= isinstance(begun[0], Call)
                yield self._finish(begun.popleft())
        yield from map(self._finish, begun)

    def map_function(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results of calls of a function in their order, by actors of `FunctionCaller`.

        Raises the errors of the function and of `map`.
        """
        reference = [self.ray.put(function)]
        for result in self.map(Call((reference, *arguments)) for arguments in calls):
            if isinstance(result, MTError):
                raise result
            yield result

    def _finish(self, item: Any) -> Any:
        """Return an item, or the result of a call when it is done."""
        if not isinstance(item, Call):
            return item
        while not item.done:
            self._assign(wait=True)
        return item.result

    def _assign(self, wait: bool) -> None:
        """Take the results that are there, or the next one; give calls to free actors."""
        if self.busy:
            done, _ = self.ray.wait(list(self.busy), timeout=None if wait else 0)
            for reference in done:
                self._receive(reference)
        while self.idle and self.queue:
            actor, call = self.idle.pop(), self.queue.popleft()
            self.busy[actor.call.remote(*call.arguments)] = actor, call

    def _receive(self, reference: Any) -> None:
        """Take the result of an actor; replace the actor if it was lost."""
        actor, call = self.busy.pop(reference)
        try:
            result = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            if call is None or not isinstance(error.cause, MTError):
                raise error.cause from None
            result = error.cause
        except self.ray.exceptions.RayError as error:
            self._lose(call, " ".join(str(error).split()))
            return
        self.idle.append(actor)
        if call:
            call.result, call.done = result, True
        else:
            self.failed_starts = 0

    def _lose(self, call: Call | None, reason: str) -> None:
        """Start another actor; let any do what the one that was lost had to do."""
        if call is None:
            self.failed_starts += 1
            if self.failed_starts > MAX_LOSSES:
                raise MTError(f"actors of Ray ended when they started: {reason}")
        elif call.losses < MAX_LOSSES:
            self.say("an actor of Ray was lost: another one does its task")
            call.losses += 1
            self.queue.appendleft(call)
        else:
            message = f"{MAX_LOSSES + 1} actors of Ray were lost at the same task: {reason}"
            call.result, call.done = MTError(message), True
        self._start()

    def _start(self) -> None:
        actor = self.create()
        self.busy[actor.start.remote()] = actor, None


class FunctionCaller:
    """An actor that calls functions, and keeps the last one."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def start(self) -> None:
        """Do nothing: a function arrives with its first call."""

    def call(self, reference: list[Any], *arguments: Any) -> Any:
        """Call a function; `reference` is a list with its reference, which Ray does not resolve."""
        if self.kept != reference:
            self.kept, self.function = reference, require("ray", "ray").get(reference[0])
        return self.function(*arguments)


class Messages(io.TextIOBase):
    """Takes the place of standard output, to which Ray prints its messages; says them instead."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def write(self, text: str) -> int:
        if text.strip():
            self.say(text.strip())
        return len(text)


@contextlib.contextmanager
def open_pool(
    kind: type, arguments: tuple[Any, ...], threads: int, use_gpus: bool, say: Say
) -> Iterator[ActorPool]:
    """Connect to the cluster of `RAY_ADDRESS`, or start one, and fill it with actors of a class.

    There is an actor for each GPU if there are any and `use_gpus` is true, else for each `threads`
    cores. All that was started ends with the `with` block. Raises MTError if Ray is not installed,
    or if the cluster does not answer or is too small.
    """
    ray = require("ray", "ray")
    with contextlib.redirect_stdout(Messages(say)):
        try:
            connect(ray, os.environ.get(ADDRESS, ""))
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            need = {"CPU": threads}
            if use_gpus and any(node.get("GPU") for node in nodes):
                need["GPU"] = 1
            size = sum(
                min(int(node.get(name, 0) // number) for name, number in need.items())
                for node in nodes
            )
            actor = " and ".join(f"{number} {name}" for name, number in need.items())
            if not size:
                hint = ": lower --threads" if threads > 1 else ""
                raise MTError(f"no machine of the Ray cluster has {actor}{hint}")
            say(f"starting {size} actors on Ray with {actor} each")
            remote = ray.remote(num_cpus=threads, num_gpus=need.get("GPU", 0))(kind).remote
            yield ActorPool(ray, lambda: remote(*arguments), size, say)
        finally:
            ray.shutdown()


def connect(ray: ModuleType, address: str) -> None:
    """Connect to a Ray cluster; start one on this machine if the address is empty.

    Raises MTError if it does not answer.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # for a cluster that is started here
    try:
        if port.isdecimal():  # Ray would wait for minutes
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        ray.init(
            address or "local",
            num_cpus=None if address else count_cores(),
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except SystemExit:  # by Ray's own handler
        raise StopSignal(signal.SIGTERM) from None
    except Exception as error:  # of many classes; that of a machine which is too slow is Exception
        where = f"at {ADDRESS}={address}" if address else "could be started"
        raise MTError(f"no Ray cluster {where} ({error})") from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
