"""Let the ranks of a training find each other, and tell why one of them cannot begin.

Until all ranks have the text and a model, they share a key-value store: that of torchrun's agent,
which outlives each of them, or else one that rank 0 holds. A rank that fails writes the reason to
it, and the others look for one every `LOOK_SECONDS`, whatever they do. Later, connections tell
that a rank has ended.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from mt.cli import describe_error
from mt.errors import MTError, ProcessLost, UsageError
from mt.progress_display import display
from mt.signals import is_fragile

if TYPE_CHECKING:
    from torch.distributed import Store

START_SECONDS = 1800  # in which all ranks must start; what PyTorch allows
POLL_SECONDS = 0.05  # between looks at what the other ranks have done
LOOK_SECONDS = 2.0  # between looks at whether one has failed
PATIENCE_SECONDS = 10.0  # of waiting in silence
FAREWELL_SECONDS = 30.0  # in which a rank that fails waits for others that need it
RESTART_SECONDS = 20.0  # after which a rank that has failed was not replaced by torchrun
FAILURE, ENDED = "mt/failure", "mt/ended"  # keys of the store


@dataclass(frozen=True)
class Launch:
    """The place of this process among the ranks, and that of their store."""

    rank: int
    size: int
    address: str
    port: int
    is_restartable: bool
    holds_store: bool

    @classmethod
    def from_environment(cls) -> Launch:
        """Return what torchrun, or someone in its place, has set; without, a process is alone.

        Raises UsageError for values that are impossible.
        """
        variables = os.environ
        if not is_launched() or variables["WORLD_SIZE"] == "1":
            return cls(0, 1, "", 0, False, False)
        try:
            rank, size, port = (int(variables[n]) for n in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"RANK, WORLD_SIZE and MASTER_PORT must be numbers ({error}): start processes by "
                "torchrun, or set all of them"
            ) from error
        if not 0 <= rank < size:
            raise UsageError(f"RANK must be < WORLD_SIZE={size}, got {rank}")
        is_restartable = int(variables.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0
        has_agent = variables.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        holds_store = rank == 0 and not has_agent
        return cls(rank, size, variables["MASTER_ADDR"], port, is_restartable, holds_store)


def is_launched() -> bool:
    """Return whether torchrun, or someone in its place, has started this process as a rank."""
    # A cluster may set some of these on its own.
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()


def connect(launch: Launch, seconds: float = START_SECONDS) -> Store:
    """Return the store of the ranks; wait until rank 0 has started if that holds it.

    Raises MTError if rank 0 cannot hold it, and ProcessLost after `seconds`.
    """
    from torch.distributed import TCPStore

    address, port = launch.address, launch.port
    if not launch.holds_store:
        wait_for(lambda: is_listening(address, port), f"rank 0 at {address}:{port}", seconds)
    try:
        return TCPStore(
            address,
            port,
            is_master=launch.holds_store,
            wait_for_workers=False,
            timeout=datetime.timedelta(seconds=START_SECONDS),
        )
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise MTError(f"no connection of the processes at {address}:{port}: {reason}") from error


def is_listening(address: str, port: int) -> bool:
    """Return whether a connection can be made."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def wait_for(holds: Callable[[], bool], what: str | Callable[[], str], seconds: float) -> None:
    """Wait until something holds; say what for if it takes long. Raises ProcessLost at last."""
    begin, is_said = time.monotonic(), os.environ.get("LOCAL_RANK", "0") != "0"
    while not holds():
        waited = time.monotonic() - begin
        name = what if isinstance(what, str) else what()
        if waited > seconds:
            raise ProcessLost(f"{name} did not start within {seconds / 60:.0f} minutes")
        if waited > PATIENCE_SECONDS and not is_said:
            display.print_line(f"waiting for {name}")
            is_said = True
        time.sleep(POLL_SECONDS)


def agree_on_name(store: Store, rank: int, size: int, timeout: float = START_SECONDS) -> str:
    """Return a name that the ranks of this start have in common, and those of no earlier start.

    If torchrun starts ranks again (--max-restarts), its store still has the addresses of those that
    ended. Its count of restarts does not tell the starts apart: machines may count differently.

    Each rank writes a token. A name is the hash of the tokens that a rank sees, some of which may
    be old. A rank counts itself once for each name that it sees, so a name with `size` ranks has
    been seen by all, and has the token of each. Raises ProcessLost after `timeout` seconds.
    """
    keys = [token_key(number) for number in range(size)]
    store.set(keys[rank], uuid.uuid4().hex)
    name = ""

    def is_agreed() -> bool:
        nonlocal name
        if store.check(keys):
            seen = f"mt/group/{hashlib.sha256(b''.join(map(store.get, keys))).hexdigest()}"
            if seen != name:
                name = seen
                store.add(name, 1)
        return bool(name) and store.add(name, 0) >= size

    def missing() -> str:
        ranks = [str(number) for number, key in enumerate(keys) if not store.check([key])]
        listed = ", ".join(ranks[:8]) + (", ..." if len(ranks) > 8 else "")
        return f"rank {listed} of {size}" if ranks else f"some of {size} ranks"

    with explain_lost_store():
        wait_for(is_agreed, missing, timeout)
    return name


@contextlib.contextmanager
def explain_lost_store() -> Iterator[None]:
    """Raise ProcessLost if the store is gone."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost("rank 0 has ended before the training began") from error


def token_key(rank: int) -> str:
    """Return the key under which a rank has its token."""
    return f"mt/token/{rank}"


class Start:
    """Share with the other ranks, until they begin to train, whether one of them has failed."""

    def __init__(self) -> None:
        self.launch: Launch | None = None
        self.store: Store | None = None
        self.first_seen = 0.0  # when a failure was seen for the first time

    def connect(self, seconds: float = START_SECONDS) -> tuple[Launch, Store]:
        """Return the place of this process, and the store that it shares with the others."""
        self.launch = self.launch or Launch.from_environment()
        self.store = self.store or connect(self.launch, seconds)
        return self.launch, self.store

    def failure(self) -> str:
        """Return why another rank has failed; empty if none has, or if it has been replaced."""
        if not self.store or not self.launch or not self.store.check([FAILURE]):
            return ""
        rank, token, text = json.loads(self.store.get(FAILURE))
        is_current = self.store.get(token_key(rank)).decode() == token
        return text if is_current and rank != self.launch.rank else ""

    def check(self) -> None:
        """Raise ProcessLost if another rank has failed."""
        with explain_lost_store():
            text = self.failure()
        self.first_seen = (self.first_seen or time.monotonic()) if text else 0.0
        assert self.launch or not text
        grace = RESTART_SECONDS if self.launch and self.launch.is_restartable else 0.0
        if text and time.monotonic() >= self.first_seen + grace:
            raise ProcessLost(text)

    def tell(self, reason: str) -> None:
        """Tell the other ranks why this one fails; if it holds the store, wait until they know."""
        if Launch.from_environment().size == 1:
            return
        launch, store = self.connect(FAREWELL_SECONDS)
        text = f"rank {launch.rank} on {socket.gethostname()} has failed: {reason}"
        token = uuid.uuid4().hex  # others may have seen no token of this process
        store.set(token_key(launch.rank), token)
        store.set(FAILURE, json.dumps((launch.rank, token, text)))
        self.leave()

    def leave(self) -> None:
        """End, as a rank that fails or knows of a failure; who holds the store ends last."""
        if not self.store or not self.launch:
            return
        ended, deadline = self.store.add(ENDED, 1), time.monotonic() + FAREWELL_SECONDS
        while self.launch.holds_store and ended < self.launch.size and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            ended = self.store.add(ENDED, 0)


_start: Start | None = None  # of this process, until it begins to train


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Tell the other ranks if the command in the `with` block ends with an error, and why.

    In the block, raise ProcessLost if another rank does so. Both until `finish_start`.
    """
    global _start
    if not is_launched():
        yield
        return
    start = _start = Start()
    before = signal.signal(signal.SIGALRM, _look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    try:
        yield
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        cause, code = error.__cause__, getattr(error, "code", 1)
        if _start and code:
            with contextlib.suppress(RuntimeError, MTError):  # the others are gone
                if isinstance(cause, ProcessLost):
                    start.leave()
                elif isinstance(cause, MTError | OSError):
                    start.tell(describe_error(cause))
                elif isinstance(code, int) and code < 128:
                    start.tell("its log says why")
        raise
    finally:
        finish_start()
        signal.signal(signal.SIGALRM, before)


def _look(number: int, frame: FrameType | None) -> None:
    if _start and not is_fragile(frame):
        _start.check()


def finish_start() -> None:
    """Look for failures no longer: the ranks are connected, and begin to train."""
    global _start
    if _start:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _start = None


def is_starting() -> bool:
    """Return whether this process is a rank that has not begun to train."""
    return _start is not None


def shared_store() -> Store:
    """Return the store of the ranks; wait for rank 0 if that holds it."""
    return (_start or Start()).connect()[1]


def reason_of_failure() -> str:
    """Return why another rank has failed before the training; empty if that is not known."""
    with contextlib.suppress(RuntimeError):
        return _start.failure() if _start else ""
    return ""
