"""Measure a running mt-serve: requests a second and their latency, by the number of clients.

    mt-serve runs/mine --quiet &
    python scripts/bench_serve.py --text in.txt --source en --target de

Each client sends one line after the other and waits for each answer. One request that fails ends
the measurement.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


def measure(
    url: str, lines: list[str], fields: dict[str, str], clients: int, seconds: float
) -> list[float]:
    """Return the latencies, in seconds, of the requests that clients finish in the given time."""
    address = urlsplit(url)
    latencies: list[float] = []
    errors: list[str] = []
    texts = itertools.cycle(lines)
    lock = threading.Lock()
    end = time.perf_counter() + seconds

    def work() -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        while time.perf_counter() < end and not errors:
            with lock:
                body = json.dumps({**fields, "q": next(texts)})
            start = time.perf_counter()
            connection.request("POST", "/translate", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                errors.append(f"status {answer.status}: {content.decode(errors='replace')}")
            latencies.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"error: {errors[0]}")
    return latencies


def main(argv: list[str] | None = None) -> None:
    """Run the measurement and print a table."""
    parser = argparse.ArgumentParser(description="Measure a running mt-serve.")
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    parser.add_argument("--text", type=Path, required=True, help="lines to translate")
    parser.add_argument("--source", required=True, help="language code")
    parser.add_argument("--target", required=True, help="language code")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of clients")
    options = parser.parse_args(argv)
    lines = [line for line in options.text.read_text(encoding="utf-8").splitlines() if line.strip()]
    fields = {"source": options.source, "target": options.target}
    print("| clients | requests/s | p50, ms | p99, ms |\n|---|---|---|---|")
    for clients in options.clients:
        start = time.perf_counter()
        latencies = measure(options.url, lines, fields, clients, options.seconds)
        rate = len(latencies) / (time.perf_counter() - start)
        median = statistics.median(latencies)
        p99 = sorted(latencies)[int(0.99 * (len(latencies) - 1))]
        print(f"| {clients} | {rate:.1f} | {1000 * median:.0f} | {1000 * p99:.0f} |", flush=True)


if __name__ == "__main__":
    main()
