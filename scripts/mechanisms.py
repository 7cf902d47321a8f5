"""Does every attention mechanism learn? One small model of each, the same text, the same number of target tokens, one seed.

    python scripts/mechanisms.py                    # trains and tests what is missing, prints the table; stop and start it at will
    python scripts/mechanisms.py rope linear        # only these
    python scripts/mechanisms.py --speed            # adds target tokens per second of training, on one core

Trained on sentences of the embedded corpus (core) of up to 15 words, tested on its test split: BLEU
of sentences of up to 15 words and of 16 to 30, twice the length that training saw; and the
alignment error rate on the former, of the mean of the heads of whichever layer is best. Speed is in
seconds of processor time, with one thread, so that other work beside it does little harm; all take
turns, three times. Extra arguments with a = are overrides for all. It is a check that everything
works, not a contest: one seed, settings that suit the family and not the mechanism. (`mt-compare
compare=positions` compares position schemes, over seeds.)
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
from bench.contest import Entry, contest, variant
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
TRANSFORMER = ["model=transformer", "model/size=tiny", "position=rope", "optim.lr=3e-3"]
RNN = ["model=rnn", "model/size=tiny", "optim.lr=3e-3"]
POSITIONS = ("none", "sinusoidal", "learned", "shaw", "t5", "alibi", "rope")
RECURRENT = """no-attention sutskever bahdanau luong luong-no-feeding dot general concat scaled_dot location multihead_additive
    multihead_dot local_m local_p sparsemax entmax15 hard hard_gumbel coverage""".split()
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
TESTS = {"1-15 words": (1, 15), "16-30 words": (16, 30)}  # column -> shortest, longest source
TEST_PAIRS = 1200  # of the test split, of all lengths
WARM_UP, STEPS, REPEATS = 10, 40, 3  # of a measurement of speed


def main() -> None:
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
        help="where the runs go (default: runs/mechanisms)",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--speed", action="store_true", help="measure speed instead of training")
    options = parser.parse_args()
    overrides = [name for name in options.names if "=" in name]
    wanted = [name for name in options.names if "=" not in name] or list(MECHANISMS)
    if unknown := set(wanted) - set(MECHANISMS):
        parser.error(
            f"no mechanism {', '.join(sorted(unknown))}; there are: {', '.join(MECHANISMS)}"
        )
    if options.speed:
        measure_speed(wanted, options.folder, [*COMMON, *overrides])
    else:
        set_threads(options.threads)
        for name in wanted:
            run = options.folder / name.replace(" ", "-")
            if not (run / RESULT).exists():
                train(
                    run,
                    [*COMMON, f"trainer.threads={options.threads}", *MECHANISMS[name], *overrides],
                )
                write_text(run / RESULT, json.dumps(test(run), indent=1) + "\n")
    print(table(options.folder))


def train(run: Path, overrides: Sequence[str]) -> None:
    """mt-train in a process of its own; an interrupted run goes on."""
    command = [
        sys.executable,
        "-m",
        "mt.train",
        *overrides,
        f"name={run.name}",
        f"runs_dir={run.parent}",
    ]
    print(f"== {run.name}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test(run: Path) -> dict[str, Any]:
    """BLEU for each column, the alignment error rate for the first, weights, loss."""
    translator, bleu = load(run), build_metrics("de")[0]["bleu"]
    result: dict[str, Any] = {
        "weights": sum(p.numel() for p in translator.models[0].parameters()),
        "bleu": {},
        "aer": None,
    }
    for number, (column, (shortest, longest)) in enumerate(TESTS.items()):
        pairs = [
            p
            for p in generate("test", TEST_PAIRS, subset="core")
            if shortest <= count_words(p.source) <= longest
        ]
        hypotheses = translator.translate([p.source for p in pairs], beam=1)
        result["bleu"][column] = bleu.corpus_score(hypotheses, [[p.target for p in pairs]])
        if number == 0 and mt.inspect(translator).attends:
            result["aer"] = error_rate(translator, pairs)
    records = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    result["loss"] = [record["loss"] for record in records if record["kind"] == "val"][-1]
    result["target_tokens"] = [
        record["target_tokens"] for record in records if record["kind"] == "train"
    ][-1]
    return result


def error_rate(translator: Translator, pairs: Sequence[Any]) -> float:
    """Of the best layer, mean of the heads, links by argmax."""
    golds = parse_lines([p.pharaoh for p in pairs], "links")
    scores = score_attention(
        mt.inspect(translator).attention([(p.source, p.target) for p in pairs]), golds
    )
    return min(
        scores.get(layer, None, reading).aer
        for layer in range(scores.layers)
        for reading in scores.readings
    )


def measure_speed(names: Sequence[str], folder: Path, common: Sequence[str]) -> None:
    """Target tokens per second in training, each measurement in a process of its own (scripts/bench/contest.py); medians."""
    with tempfile.TemporaryDirectory() as temporary:
        job = Job(Path(temporary), torch.device("cpu"), 1, 1024, WARM_UP, STEPS, cpu_time=True)
        entries = [Entry(replace(variant("mt="), name=name), "auto") for name in names]
        told = {name: job.overrides([*MECHANISMS[name], *common], "auto") for name in names}
        works = {
            name: job.common(load_config(told[name]), "auto") | {"overrides": told[name]}
            for name in names
        }
        contest(entries, lambda entry: works[entry.contestant.name], REPEATS)
    path = folder / SPEED
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found = {
        entry.contestant.name: statistics.median(map(speed, entry.results)) for entry in entries
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(known | found, indent=1) + "\n")


def table(folder: Path) -> str:
    """What there is, as Markdown."""
    speeds = (
        json.loads((folder / SPEED).read_text(encoding="utf-8"))
        if (folder / SPEED).exists()
        else {}
    )
    lines = [
        f"| mechanism | {' | '.join(TESTS)} | AER | loss | weights | tokens/s |",
        "|---" * (len(TESTS) + 5) + "|",
    ]
    for name in MECHANISMS:
        path = folder / name.replace(" ", "-") / RESULT
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if found is None and name not in speeds:
            continue
        cells = [""] * (len(TESTS) + 3)
        if found is not None:
            aer = "" if found["aer"] is None else f"{found['aer']:.1f}"
            cells = [
                *(f"{found['bleu'][column]:.1f}" for column in TESTS),
                aer,
                f"{found['loss']:.3f}",
                f"{found['weights'] / 1e6:.2f} M",
            ]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {format(speeds[name], ',.0f') if name in speeds else ''} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
