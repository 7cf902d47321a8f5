"""How fast it trains and translates: target tokens per second in training, sentences per second in translation.

    python scripts/bench_throughput.py --src train.en.gz --tgt train.de.gz [overrides ...]
    python scripts/bench_throughput.py --runs runs/a runs/b --test test.en.gz

Training: both model families on the same text, vocabulary, batch tokens and precision take turns, `--repeats` times. Each
measurement is a run of mt-train with `--steps` steps; its figure is the median over the progress lines after the first
quarter, in real target tokens (padding left out), data loading included. Translation: the runs take turns on the test text,
from text to text, loading left out. Printed are median and range. Extra arguments are overrides for mt-train.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from mt.compose import load_config
from mt.data.readers import read_lines
from mt.decoding.search import SearchOptions
from mt.decoding.translator import load
from mt.train import train
from mt.training.device import pick_device, resolve_precision

LOG_EVERY = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", help="source side of the training text")
    parser.add_argument("--tgt", help="target side of the training text")
    parser.add_argument("--families", nargs="*", default=["transformer", "rnn"], help="models to train (default: transformer rnn)")
    parser.add_argument("--runs", nargs="*", default=[], help="trained run directories to time the translation of")
    parser.add_argument("--test", help="source text that they translate")
    parser.add_argument("--beams", nargs="*", type=int, default=[1, 5], help="beam sizes (default: 1 5)")
    parser.add_argument("--steps", type=int, default=80, help="training steps a measurement (default: 80)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each (default: 3)")
    options, overrides = parser.parse_known_args()
    lines = list(read_lines(Path(options.test))) if options.runs else []
    figures: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for family in options.families if options.src else ():
            figures.setdefault(f"{family}: training, target tokens/s", []).append(training_speed(family, options, overrides))
        for run in options.runs:
            for beam in options.beams:
                figures.setdefault(f"{run}: beam {beam}, sentences/s", []).append(translation_speed(run, lines, beam))
    device = pick_device()
    print(f"{device.type}, {torch.get_num_threads()} threads, {resolve_precision(device)}, torch {torch.__version__}")
    for name, values in figures.items():
        print(f"{name:50} {statistics.median(values):10,.1f}  ({min(values):,.1f} to {max(values):,.1f})")


def training_speed(family: str, options: argparse.Namespace, overrides: list[str]) -> float:
    """Target tokens per second of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(
            [
                "data=files",
                f"model={family}",
                f"data.train.src='{options.src}'",
                f"data.train.tgt='{options.tgt}'",
                "data.holdout=10",
                "data.tokenizer.vocab_size=8000",
                f"runs_dir='{folder}'",
                "name=bench",
                "trainer.max_minutes=0",
                "trainer.val_every=0",
                f"trainer.max_steps={options.steps}",
                f"trainer.log_every={LOG_EVERY}",
                "trainer.test_beam=1",
                *overrides,
            ]
        )
        train(config)
        records = [json.loads(line) for line in (Path(folder) / "bench" / "metrics.jsonl").read_text().splitlines()]
    speeds = [record["tokens_per_second"] for record in records if record["kind"] == "train" and record["step"] > options.steps / 4]
    return statistics.median(speeds)


def translation_speed(run: str, lines: list[str], beam: int) -> float:
    """Sentences per second from text to text."""
    translator = load(run, options=SearchOptions(beam=beam))
    print(f"translating with {run}, beam {beam}", file=sys.stderr)
    start = time.perf_counter()
    translator.translate(lines)
    return len(lines) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
