"""The flags of mt-serve and the checks that need no model."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from mt.arguments.translate import (
    add_engine_flags,
    add_sentence_flag,
    add_tag_flag,
    positive_integer,
)
from mt.cli import CommandParser
from mt.errors import UsageError

DESCRIPTION = "Serve trained models over HTTP: a page to translate, and the API of LibreTranslate."
EPILOG = """\
examples:
  mt-serve runs/demo                              # then open http://127.0.0.1:5000
  mt-serve runs/en-de runs/de-fr --pivot          # also English to French, by way of German
  mt-serve runs/demo --host 0.0.0.0 --api-keys keys.txt --per-minute 60
  curl http://127.0.0.1:5000/translate -d q="A sentence." -d source=en -d target=de

Endpoints: / (a page), /translate, /detect, /languages, /models, /health, /metrics (Prometheus),
/docs (reference), /openapi.json. Clients of LibreTranslate work unchanged. Requests of all clients
share batches. Each request is logged as a line of JSON on standard error, without its text.
SIGTERM and Ctrl-C end the server when the requests that it has are answered.
The server needs: pip install starlette uvicorn python-multipart prometheus-client
Exit codes: 0 ended by a signal, 1 failure, 2 wrong usage.
"""
BATCH_TOKENS = 4096


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the flags. Raises UsageError if they are invalid."""
    arguments = build_parser().parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port must be from 0 to 65535, got {arguments.port}")
    limits = ("max_characters", "max_texts", "max_active", "max_hypotheses", "timeout")
    for name in (*limits, "per_minute", "threads"):
        if not 0 <= (value := getattr(arguments, name)) < math.inf:
            raise UsageError(f"--{name.replace('_', '-')} must be >= 0, got {value}")
    return arguments


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-serve", DESCRIPTION, EPILOG)
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="run directory written by mt-train, or folder written by mt-export; one for each "
        "language pair",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this "
                        "computer only, 127.0.0.1)")  # fmt: skip
    parser.add_argument("--port", type=int, default=5000, help="port; 0: any (default: 5000)")
    parser.add_argument(
        "--pivot",
        action="store_true",
        help="translate a pair without a model by two models in a row",
    )
    parser.add_argument("--quiet", action="store_true", help="do not log requests")
    add_sentence_flag(parser)
    add_tag_flag(parser)
    add_access_flags(parser)
    add_limit_flags(parser)
    add_computation_flags(parser)
    return parser


def add_access_flags(parser: CommandParser) -> None:
    """Add the flags that say who may use the server."""
    group = parser.add_argument_group("access")
    group.add_argument(
        "--api-keys", metavar="FILE", help="translate only with one of the keys in FILE, one a line"
    )
    group.add_argument(
        "--per-minute",
        type=int,
        default=0,
        metavar="N",
        help="requests a minute of each key or address; 0: unlimited (default: 0)",
    )
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let the scripts of a web site, such as https://example.org, use the server; *: of "
        "all; repeatable",
    )


def add_limit_flags(parser: CommandParser) -> None:
    """Add the limits of requests."""
    group = parser.add_argument_group("limits (0: unlimited)")
    group.add_argument(
        "--max-characters",
        type=int,
        default=20_000,
        metavar="N",
        help="characters of a request (default: 20000)",
    )
    group.add_argument(
        "--max-texts",
        type=int,
        default=200,
        metavar="N",
        help="texts of a request whose q is a list (default: 200)",
    )
    group.add_argument(
        "--max-active",
        type=int,
        default=256,
        metavar="N",
        help="requests that are translated at a time; more get status 503 (default: 256)",
    )
    group.add_argument(
        "--max-hypotheses",
        type=int,
        default=64,
        metavar="N",
        help="hypotheses of a sentence that a request may ask for: beam size, candidates of mbr, "
        "samples (default: 64)",
    )
    group.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time for a request to arrive, for its answer, and for a client to read on (default: "
        "60)",
    )


def add_computation_flags(parser: CommandParser) -> None:
    """Add the flags that say how to compute."""
    group = parser.add_argument_group("computation")
    group.add_argument(
        "--beam", type=int, default=5, metavar="K", help="beam size; 1: greedy search (default: 5)"
    )
    add_engine_flags(group)
    group.add_argument(
        "--batch-tokens",
        type=positive_integer,
        default=BATCH_TOKENS,
        metavar="N",
        help=f"batch size in source tokens * beam size (default: {BATCH_TOKENS}); smaller batches "
        "let new requests start sooner",
    )
    group.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads; 0: all cores (default: 0)",
    )
