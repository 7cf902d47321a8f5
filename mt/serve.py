"""mt-serve: serve trained models over HTTP."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.serve")

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mt.arguments.serve import parse_arguments
from mt.arguments.translate import split_sentences
from mt.cli import run_command, say
from mt.decoding.options import SearchOptions
from mt.optional import PACKAGES, require

if TYPE_CHECKING:
    from mt.decoding.translator import Translator


def main() -> None:
    """Run the command."""
    run_command(lambda: serve(parse_arguments()))


def serve(arguments: argparse.Namespace) -> None:
    """Load the models and serve them until a signal arrives."""
    options = SearchOptions(beam=arguments.beam)
    for module in ("starlette", "uvicorn", "python_multipart", "prometheus_client"):
        require(module, "serve")

    # Importing torch takes seconds: check the flags first.
    from mt.data.detection import Detector
    from mt.device import configure_memory, set_threads
    from mt.errors import MTError
    from mt.exporting.automatic import load_fastest
    from mt.files import expand_user
    from mt.serving.app import create_app
    from mt.serving.limits import Limits, read_keys
    from mt.serving.observation import log_to_stderr
    from mt.serving.runs import load_models, read_runs
    from mt.serving.server import build_server, listen
    from mt.serving.service import Settings

    limits = Limits(
        arguments.max_characters,
        arguments.max_texts,
        arguments.max_active,
        arguments.timeout,
        arguments.per_minute,
        arguments.max_hypotheses,
    )
    keys = read_keys(expand_user(arguments.api_keys)) if arguments.api_keys else frozenset()
    settings = Settings(limits, keys, tuple(arguments.allow_origin))
    runs = read_runs([expand_user(path) for path in arguments.runs], arguments.tag)
    listener = listen(arguments.host, arguments.port, limits.seconds)
    set_threads(arguments.threads)
    configure_memory()

    def load(path: Path, tag: str | None) -> Translator:
        return load_fastest(
            [path],
            arguments.device,
            arguments.precision,
            arguments.backend,
            arguments.quantization,
            say,
            options=options,
            batch_tokens=arguments.batch_tokens,
            warn=lambda message: say(f"warning: {message}"),
            split_sentences=split_sentences(arguments),
            tag=tag,
        )

    models = load_models(runs, load, arguments.pivot)
    try:
        detector = Detector()
    except MTError:
        detector = None
        say(f"languages are not recognised: pip install {' '.join(PACKAGES['detect'])}")
    app = create_app(
        models, settings, detector, (lambda record: None) if arguments.quiet else log_to_stderr
    )
    pairs = ", ".join(map(str, models.offers))
    host, port = listener.getsockname()[:2]
    address = f"[{host}]" if ":" in host else host
    say(f"serving {pairs}: http://{address}:{port}")
    build_server(app, limits.seconds).run(sockets=[listener])
