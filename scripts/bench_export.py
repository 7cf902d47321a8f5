"""Compare size, speed and BLEU of a run and its exports, as a Markdown table.

    python scripts/bench_export.py runs/demo --lines 500 --threads 2
    python scripts/bench_export.py runs/demo --src test.en --ref test.de

Rows are PyTorch in float32 and bfloat16, and all exports in the run (see mt-export). They take
turns, `--repeats` times, after a warm-up on a few lines. Speeds are medians, from text to text,
without loading. The text is the test set of the run, unless --src and --ref name files. BLEU is
that of the beam search. Size is that of weights or graphs on disk, without the tokenizer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mt.cli import run_command
from mt.data.text_files import read_lines
from mt.decoding.export_folder import BACKENDS, is_export, read_export
from mt.decoding.load import load
from mt.decoding.translator import Translator
from mt.device import set_threads
from mt.evaluation.metrics import build_metrics
from mt.run_folder import RunFolder

WEIGHT_FILES = ("model.safetensors", "model.bin", "encoder.onnx", "step.onnx")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--src", type=Path, help="sentences (default: the run's test set)")
    parser.add_argument("--ref", type=Path, help="reference translations of --src")
    parser.add_argument(
        "--lines",
        type=int,
        default=500,
        help="sentences, spread evenly over the text (default: 500)",
    )
    parser.add_argument(
        "--beam", type=int, default=5, help="beam size, besides greedy search (default: 5)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measurements per row (default: 3)")
    parser.add_argument(
        "--batch-tokens", type=int, default=4096, help="see mt-translate (default: 4096)"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all cores")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="measure processor time, for a busy machine; requires --threads 1",
    )
    options = parser.parse_args(arguments)
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time requires --threads 1: worker processes would not be counted")
    if bool(options.src) != bool(options.ref):
        parser.error("--src and --ref must be given together")
    run_command(lambda: bench(options))


def bench(options: argparse.Namespace) -> None:
    """Measure, and print the table."""
    set_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    texts = [
        list(read_lines(options.src or options.run / "test.sources.txt")),
        list(read_lines(options.ref or options.run / "test.references.txt")),
    ]
    count = min(options.lines, len(texts[0]))
    sources, references = (
        [lines[len(lines) * row // count] for row in range(count)] for lines in texts
    )
    bleu = build_metrics(RunFolder.at(options.run).read_config().data.languages()[1])[0]["bleu"]
    rows = contestants(options.run, options.batch_tokens)
    speeds: dict[tuple[str, int], list[float]] = {}
    scores: dict[str, float] = {}
    for translator, _ in rows.values():
        translator.translate(sources[:20], beam=options.beam)
    for turn in range(options.repeats):
        for name, (translator, _) in rows.items():
            for beam in (1, options.beam):
                print(f"turn {turn + 1}, {name}, beam {beam}", file=sys.stderr)
                start = clock()
                outputs = translator.translate(sources, beam=beam)
                speeds.setdefault((name, beam), []).append(count / (clock() - start))
            scores[name] = bleu.corpus_score(outputs, [references])
    unit = "sentences/CPU second" if options.cpu_time else "sentences/s"
    print(
        f"| engine, weights | MB | greedy, {unit} | beam {options.beam}, {unit} | BLEU |\n"
        "|---|---|---|---|---|"
    )
    for name, (_, size) in rows.items():
        greedy, beam = (statistics.median(speeds[name, width]) for width in (1, options.beam))
        print(f"| {name} | {size:.1f} | {greedy:,.0f} | {beam:,.0f} | {scores[name]:.2f} |")


def contestants(run: Path, batch_tokens: int) -> dict[str, tuple[Translator, float]]:
    """Return translator and size in MB by name."""
    rows = {
        f"PyTorch, {name}": (
            load(run, "cpu", precision, workers=0, batch_tokens=batch_tokens),
            megabytes(run),
        )
        for name, precision in (("float32", "fp32"), ("bfloat16", "bf16"))
    }
    for folder in sorted(
        folder
        for backend in BACKENDS
        for folder in (run / "export").glob(f"{backend}-*")
        if is_export(folder)
    ):
        export = read_export(folder)
        rows[f"{export.backend}, {export.quantization}"] = (
            load(folder, batch_tokens=batch_tokens),
            megabytes(folder),
        )
    return rows


def megabytes(folder: Path) -> float:
    """Return the size of the weights or graphs in a folder."""
    return (
        sum((folder / name).stat().st_size for name in WEIGHT_FILES if (folder / name).is_file())
        / 1e6
    )


if __name__ == "__main__":
    main()
