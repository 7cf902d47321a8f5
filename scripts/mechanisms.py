"""Train and test a small model of every attention mechanism: a check that all of them learn.

    python scripts/mechanisms.py                # trains and tests what is missing, prints the table
    python scripts/mechanisms.py rope linear    # only these
    python scripts/mechanisms.py --speed        # measures training speed on one core

An interrupted run resumes. All mechanisms see the same text and the same number of target tokens,
with one seed. Training sentences are from the embedded corpus (core) and have up to 15 words. The
table shows BLEU on test sentences of up to 15 and of 16 to 30 words, and on the former the
alignment error rate of the best layer, averaged over its heads. Speed is target tokens per second
of CPU time, with one thread, so that other work on the machine matters little; the median of three
rounds. Arguments with "=" are overrides for all runs.

This does not rank the mechanisms: there is one seed, and settings suit the family, not the single
mechanism. `mt-compare compare=positions` compares position schemes over several seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import mt
from bench.contest import Entry, parse_variant, run_contest
from bench.training import Job, speed
from mt.config.compose import load_config
from mt.data.alignment_words import count_words
from mt.data.embedded_corpus import generate
from mt.data.links import parse_lines
from mt.decoding.load import load
from mt.decoding.translator import Translator
from mt.device import set_threads
from mt.evaluation.metrics import build_metrics
from mt.files import write_text
from mt.inspection.alignment_error import score_attention

RESULT, SPEED = "mechanism.json", "speed.json"
TRANSFORMER = [
    *("model=transformer", "model/size=tiny", "position=rope", "model.transformer.qk_norm=false"),
    "optim.lr=3e-3",
]
RNN = ["model=rnn", "model/size=tiny", "optim.lr=3e-3"]
POSITIONS = ("none", "sinusoidal", "learned", "shaw", "t5", "alibi", "rope")
RECURRENT = """no-attention sutskever bahdanau luong luong-no-feeding dot general concat scaled_dot
    scaled_general location multihead_additive multihead_dot local_m local_p sparsemax entmax15 hard
    hard_gumbel coverage""".split()
MECHANISMS = {
    **{name: [*TRANSFORMER, f"position={name}"] for name in POSITIONS},
    **{
        name: [*TRANSFORMER, f"attention={name}"]
        for name in ("mqa", "gqa", "window", "strided", "multiscale", "adaptive_span")
    },
    "linear": [*TRANSFORMER, "attention=linear", "position=sinusoidal"],
    **{
        f"transformer {name}": [*TRANSFORMER, f"attention={name}"]
        for name in ("sparsemax", "entmax15")
    },
    **{
        f"{name} norm": [*TRANSFORMER, f"model.transformer.norm={name}"]
        for name in ("post", "sandwich")
    },
    "deepnorm": [*TRANSFORMER, "model.transformer.norm=deepnorm"],
    "rms norm": [*TRANSFORMER, "model.transformer.norm_kind=rms"],
    "qk-norm": [*TRANSFORMER, "model.transformer.qk_norm=true"],
    "softcap": [*TRANSFORMER, "model.transformer.softcap=20"],
    "gelu": [*TRANSFORMER, "model.transformer.activation=gelu"],
    "swiglu": [*TRANSFORMER, "model.transformer.activation=swiglu"],
    **{f"rnn {name}": [*RNN, f"attention={name}"] for name in RECURRENT},
    "transformer to rnn": [*TRANSFORMER, "model.decoder=rnn"],
    "rnn to transformer": [*TRANSFORMER, "model.encoder=rnn"],
}
COMMON = [
    "auto=false",  # one optimizer for all
    "data=demo",
    "data.train.demo=120000",
    "data.train.subset=core",
    "data.clean.max_words=15",
    "data.tokenizer.vocab_size=2000",
    "model.dropout=0",
    "optim=cosine",
    "optim.warmup=200",
    "optim.label_smoothing=0",
    "optim.ema=0.99",
    "trainer.batch_tokens=1024",
    "trainer.max_steps=1500",
    "trainer.val_every=0",
    "trainer.log_every=100",
    "trainer.test_beam=1",
    "data.test.demo=400",
]
TESTS = {"1-15 words": (1, 15), "16-30 words": (16, 30)}  # column -> source words
TEST_PAIRS = 1200  # drawn from the test split, with any length
WARM_UP, STEPS, REPEATS = 10, 40, 3  # for measurements of speed


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME|KEY=VALUE",
        help="mechanisms (default: all), and overrides for mt-train",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("runs/mechanisms"),
        help="folder of the runs (default: runs/mechanisms)",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--speed", action="store_true", help="measure speed instead of training")
    options = parser.parse_args()
    overrides = [name for name in options.names if "=" in name]
    names = [name for name in options.names if "=" not in name] or list(MECHANISMS)
    if unknown := set(names) - set(MECHANISMS):
        unknown_names, known_names = ", ".join(sorted(unknown)), ", ".join(MECHANISMS)
        parser.error(f"unknown mechanism: {unknown_names}; choose from {known_names}")
    if options.speed:
        measure_speed(names, options.folder, [*COMMON, *overrides])
    else:
        set_threads(options.threads)
        for name in names:
            run = options.folder / name.replace(" ", "-")
            result = read_json(run / RESULT)
            if result is None:
                train(
                    run,
                    [*COMMON, f"trainer.threads={options.threads}", *MECHANISMS[name], *overrides],
                )
                result = {**test(run), "overrides": overrides}
                write_text(run / RESULT, json.dumps(result, indent=1) + "\n")
            elif (given := result.get("overrides", [])) != overrides:
                parser.error(
                    f"{run} was trained with {' '.join(given) or 'no overrides'}: "
                    "choose another --folder"
                )
    print(table(options.folder))


def train(run: Path, overrides: Sequence[str]) -> None:
    """Run mt-train in a subprocess; it resumes an interrupted run. Exits if it fails."""
    command = [sys.executable, "-m", "mt.train", *overrides]
    command += [f"name={run.name}", f"runs_dir={run.parent}"]
    print(f"== {run.name}", file=sys.stderr, flush=True)
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"error: training {run.name} failed, see above")


def test(run: Path) -> dict[str, Any]:
    """Measure BLEU per column, alignment error rate on the first column, parameters and loss."""
    translator, bleu = load(run), build_metrics("de")[0]["bleu"]
    result: dict[str, Any] = {
        "weights": sum(p.numel() for p in translator.models[0].parameters()),
        "bleu": {},
        "aer": None,
    }
    for number, (column, (shortest, longest)) in enumerate(TESTS.items()):
        pairs = [
            pair
            for pair in generate("test", TEST_PAIRS, subset="core")
            if shortest <= count_words(pair.source) <= longest
        ]
        hypotheses = translator.translate([pair.source for pair in pairs], beam=1)
        result["bleu"][column] = bleu.corpus_score(hypotheses, [[pair.target for pair in pairs]])
        if number == 0 and mt.inspect(translator).attends:
            result["aer"] = error_rate(translator, pairs)
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = {record["kind"]: record for record in map(json.loads, lines)}
    result["loss"] = last["val"]["loss"]
    result["target_tokens"] = last["train"]["target_tokens"]
    return result


def error_rate(translator: Translator, pairs: Sequence[Any]) -> float:
    """Return the AER of the best layer: mean over heads, links by argmax."""
    golds = parse_lines([pair.pharaoh for pair in pairs], "links")
    attention = mt.inspect(translator).attention([(pair.source, pair.target) for pair in pairs])
    scores = score_attention(attention, golds)
    return min(
        scores.get(layer, None, reading).aer
        for layer in range(scores.layers)
        for reading in scores.readings
    )


def measure_speed(names: Sequence[str], folder: Path, common: Sequence[str]) -> None:
    """Measure target tokens per second in training and store the medians.

    Each measurement runs in a subprocess (scripts/bench/contest.py).
    """
    with tempfile.TemporaryDirectory() as temporary:
        job = Job(Path(temporary), torch.device("cpu"), 1, 1024, WARM_UP, STEPS, cpu_time=True)
        entries = [Entry(replace(parse_variant("mt="), name=name), "auto") for name in names]
        jobs = {}
        for name in names:
            overrides = job.overrides([*MECHANISMS[name], *common], "auto")
            jobs[name] = job.common(load_config(overrides), "auto") | {"overrides": overrides}
        run_contest(entries, lambda entry: jobs[entry.contestant.name], REPEATS)
    speeds = {
        entry.contestant.name: statistics.median(map(speed, entry.results)) for entry in entries
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SPEED
    write_text(path, json.dumps((read_json(path) or {}) | speeds, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def table(folder: Path) -> str:
    """Return the results so far as a Markdown table."""
    speeds = read_json(folder / SPEED) or {}
    lines = [
        f"| mechanism | {' | '.join(TESTS)} | AER | loss | weights | tokens/s |",
        "|---" * (len(TESTS) + 5) + "|",
    ]
    for name in MECHANISMS:
        result = read_json(folder / name.replace(" ", "-") / RESULT)
        if result is None and name not in speeds:
            continue
        cells = [""] * (len(TESTS) + 3)
        if result is not None:
            cells = [f"{result['bleu'][column]:.1f}" for column in TESTS]
            cells.append("" if result["aer"] is None else f"{result['aer']:.1f}")
            cells += [f"{result['loss']:.3f}", f"{result['weights'] / 1e6:.2f} M"]
        cells.append(f"{speeds[name]:,.0f}" if name in speeds else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
