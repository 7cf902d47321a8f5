"""The contestants of a benchmark, and their measurement in turns, each in its own process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.errors import MTError, UsageError

SCRIPTS = Path(__file__).resolve().parent.parent
PEERS = SCRIPTS / "peers"
TIME_LIMIT = 7200  # seconds per measurement: a sweep prepares ten million pairs

# The allocator settings of mt (mt/device.py), as environment variables of glibc.
MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

Result = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """A script of scripts/peers, the interpreter that runs it, and its options."""

    name: str
    script: Path
    python: str = sys.executable
    options: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()  # for mt: added to the common ones
    checkout: Path = SCRIPTS.parent  # for mt
    is_mt: bool = False


@dataclass
class Entry:
    """A contestant with a precision, and one result per repeat or the reason why there is none."""

    contestant: Contestant
    precision: str
    results: list[Result] = field(default_factory=list)
    failure: str = ""

    @property
    def name(self) -> str:
        return f"{self.contestant.name}, {self.precision}"


def parse_variant(text: str) -> Contestant:
    """Parse `name=override,override`.

    An override `checkout=FOLDER` measures the mt of another checkout.
    """
    name, found, rest = text.partition("=")
    if not found or not name:
        raise UsageError(f"--variant {text}: write name=override,override")
    overrides = [each for each in re.split(r",(?![^\[{]*[\]}])", rest) if each]
    folders = [each.removeprefix("checkout=") for each in overrides if each.startswith("checkout=")]
    checkout = Path(folders[-1]).resolve() if folders else SCRIPTS.parent
    if not (checkout / "mt").is_dir():
        raise UsageError(f"--variant {text}: {checkout} is not a checkout of mt")
    overrides = [each for each in overrides if not each.startswith("checkout=")]
    return Contestant(
        name, PEERS / "ours.py", overrides=tuple(overrides), checkout=checkout, is_mt=True
    )


def parse_peer(text: str) -> Contestant:
    """Parse `NAME=PYTHON` or `NAME+option+option=PYTHON`.

    NAME is a script of scripts/peers, PYTHON an interpreter with the library that it needs.
    """
    name, found, python = text.partition("=")
    adapter, *options = name.split("+")
    known = sorted(
        path.stem for path in PEERS.glob("*.py") if path.stem not in ("protocol", "ours")
    )
    if adapter not in known or not found:
        raise UsageError(f"--peer {text}: write NAME=PYTHON, with NAME one of {', '.join(known)}")
    program = shutil.which(os.path.expanduser(python))
    if program is None:
        raise UsageError(
            f"--peer {text}: there is no program {python}; {PEERS / adapter}.py says how to create "
            "its environment"
        )
    return Contestant(name, PEERS / f"{adapter}.py", str(Path(program).absolute()), tuple(options))


def run_contestant(contestant: Contestant, work: dict[str, Any]) -> Result:
    """Run the contestant once on the work.

    If it fails, raises RuntimeError with the last line of its standard error.
    """
    folder = Path(work["folder"])
    work = work | {"options": contestant.options, "started": time.time()}
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
    # All contestants inherit mt's GOMP_SPINCOUNT (mt/__init__.py). On an idle machine it makes no
    # difference.
    environment = os.environ | {
        "OMP_NUM_THREADS": str(work["threads"]),
        "TOKENIZERS_PARALLELISM": "false",
    }
    environment.pop("PYTHONPATH", None)
    if contestant.is_mt:
        environment["PYTHONPATH"] = str(contestant.checkout)
    elif "malloc" in contestant.options:
        environment |= MALLOC
    command = [contestant.python, str(contestant.script), str(folder / "work.json")]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took more than {TIME_LIMIT} seconds") from None
    if done.returncode:
        errors = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(
            errors[-1][:300] if errors else f"it ended with exit code {done.returncode}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def run_contest(
    entries: Sequence[Entry], work: Callable[[Entry], dict[str, Any]], repeats: int
) -> None:
    """Fill in the results. The entries take turns, `repeats` times.

    A peer that fails is not run again. Raises MTError if mt fails.
    """
    for repeat in range(repeats):
        for entry in entries:
            if entry.failure:
                continue
            begin = time.monotonic()
            try:
                entry.results.append(run_contestant(entry.contestant, work(entry)))
            except RuntimeError as error:
                if entry.contestant.is_mt:
                    raise MTError(f"{entry.name}: {error}") from None
                entry.failure, entry.results = str(error), []
            outcome = entry.failure or f"{time.monotonic() - begin:.0f} s"
            print(
                f"round {repeat + 1} of {repeats}: {entry.name}: {outcome}",
                file=sys.stderr,
                flush=True,
            )


def build_entries(
    peers: Sequence[str], variants: Sequence[str], precisions: Sequence[str]
) -> list[Entry]:
    """Return the entries of a contest: for each precision mt, its variants, then the peers."""
    contestants = [parse_variant("mt="), *map(parse_variant, variants), *map(parse_peer, peers)]
    names = [each.name for each in contestants]
    if len(set(names)) < len(names):
        raise UsageError(f"contestants must have different names, got {', '.join(names)}")
    pairs = [(each, precision) for precision in precisions for each in contestants]
    # Weights in int8 are measured once, beside the last precision.
    return [
        Entry(each, precision)
        for each, precision in pairs
        if "int8" not in each.options or precision == precisions[-1]
    ]
