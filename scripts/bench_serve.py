"""Measure running servers: requests a second and their latency, by the number of clients.

    mt-serve runs/mine --quiet &
    python scripts/bench_serve.py --text in.txt --source en --target de

Each client sends one line after the other and waits for each answer. One request that fails ends
the measurement. Servers with the API of LibreTranslate are compared by one call, which measures
them in turn:

    python scripts/bench_serve.py --text in.txt --source en --target de \
        --server mt-serve=http://127.0.0.1:5000 --server LibreTranslate=http://127.0.0.1:5001

With --start COMMAND in place of --server, the time from the start of a server to its first
translation is measured instead; COMMAND ends with the port, as in 'mt-serve runs/mine --port 5000'.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shlex
import statistics
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_SERVER = "mt-serve=http://127.0.0.1:5000"
START_SECONDS = 300.0  # after which a server that does not answer has failed


class Client:
    """A connection to a server, which translates texts of one pair."""

    def __init__(self, url: str, fields: dict[str, str]) -> None:
        address = urlsplit(url)
        self.fields = fields
        self.connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=120
        )

    def translate(self, text: str) -> str:
        """Return "", or what is wrong with the answer. Raises OSError if there is none."""
        body = json.dumps({**self.fields, "q": text})
        headers = {"content-type": "application/json"}
        self.connection.request("POST", "/translate", body, headers)
        answer = self.connection.getresponse()
        content = answer.read().decode(errors="replace")
        return "" if answer.status == 200 else f"status {answer.status}: {content}"


def measure(
    url: str, lines: list[str], fields: dict[str, str], clients: int, seconds: float
) -> tuple[list[float], float]:
    """Return the latencies of the requests that clients finish, and the time that all took.

    Clients begin requests for `seconds`. Times are in seconds.
    """
    latencies: list[float] = []
    errors: list[str] = []
    texts = itertools.cycle(lines)
    lock = threading.Lock()
    begin = time.perf_counter()

    def work() -> None:
        client = Client(url, fields)
        while time.perf_counter() < begin + seconds and not errors:
            with lock:
                text = next(texts)
            start = time.perf_counter()
            try:
                error = client.translate(text)
            except OSError as reason:
                error = str(reason)
            if error:
                errors.append(error)
            latencies.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"error: {url}: {errors[0]}")
    return latencies, time.perf_counter() - begin


def start_seconds(command: str, text: str, fields: dict[str, str]) -> float:
    """Return the time from the start of a server to its first translation; end the server."""
    words = shlex.split(command)
    url = f"http://127.0.0.1:{words[-1]}"
    begin = time.perf_counter()
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None and time.perf_counter() < begin + START_SECONDS:
            try:
                if not Client(url, fields).translate(text):
                    return time.perf_counter() - begin
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"error: {command}: no answer")
    finally:
        server.terminate()
        server.wait()


def print_loads(options: argparse.Namespace, lines: list[str], fields: dict[str, str]) -> None:
    """Print a table of all servers with all numbers of clients."""
    servers = [server.split("=", 1) for server in options.server or [DEFAULT_SERVER]]
    for _, url in servers:
        measure(url, lines, fields, 1, 1.0)  # models that are loaded on first use
    print("| server | clients | requests/s | p50, ms | p99, ms |\n|---|---|---|---|---|")
    for clients in options.clients:
        rounds = [
            [measure(url, lines, fields, clients, options.seconds) for _, url in servers]
            for _ in range(options.rounds)
        ]
        for (name, _), results in zip(servers, zip(*rounds, strict=True), strict=True):
            latencies = sorted(latency for found, _ in results for latency in found)
            rate = len(latencies) / sum(seconds for _, seconds in results)
            median = statistics.median(latencies)
            p99 = latencies[int(0.99 * (len(latencies) - 1))]
            print(
                f"| {name} | {clients} | {rate:.1f} | {1000 * median:.0f} | {1000 * p99:.0f} |",
                flush=True,
            )


def main(argv: list[str] | None = None) -> None:
    """Run the measurement and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--server", action="append", metavar="NAME=URL", help=f"default: {DEFAULT_SERVER}"
    )
    parser.add_argument("--start", action="append", metavar="COMMAND", help="see above")
    parser.add_argument("--text", type=Path, required=True, help="lines to translate")
    parser.add_argument("--source", required=True, help="language code")
    parser.add_argument("--target", required=True, help="language code")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of clients")
    parser.add_argument("--rounds", type=int, default=1, help="in which servers take turns")
    options = parser.parse_args(argv)
    lines = [line for line in options.text.read_text(encoding="utf-8").splitlines() if line.strip()]
    fields = {"source": options.source, "target": options.target}
    if not options.start:
        print_loads(options, lines, fields)
        return
    print("| command | seconds to the first translation |\n|---|---|")
    for command in options.start:
        times = [start_seconds(command, lines[0], fields) for _ in range(options.rounds)]
        print(f"| `{command}` | {' '.join(f'{each:.1f}' for each in times)} |", flush=True)


if __name__ == "__main__":
    main()
