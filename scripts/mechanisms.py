"""Does every attention mechanism learn? One small model of each, the same text, the same number of target tokens, one seed.

    python scripts/mechanisms.py                    # trains and tests what is missing, prints the table; stop and start it at will
    python scripts/mechanisms.py rope linear        # only these
    python scripts/mechanisms.py --set long         # position schemes, trained up to 40 words, tested to 120
    python scripts/mechanisms.py --speed            # adds tokens per second, on a machine that does nothing else

The default set trains on sentences of the embedded corpus (core) of up to 15 words and tests on its test split: BLEU of
sentences of up to 15 words and of 16 to 30, twice the length that training saw; and the alignment error rate on the former, of
the mean of the heads of whichever layer is best. Extra arguments with a = are overrides for all. It is a check that everything
works, not a contest: one seed, settings that suit the family and not the mechanism.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mt.data.demo import generate
from mt.data.words import count_words
from mt.decoding.translator import Translator, load
from mt.evaluation.alignment import parse_lines
from mt.evaluation.attention import score_attention
from mt.evaluation.metrics import build_metrics
from mt.files import write_text
from mt.training.device import set_threads

RESULT, SPEED = "mechanism.json", "speed.json"
TRANSFORMER = ["model=transformer", "model/size=tiny", "position=rope", "optim.lr=3e-3"]
RNN = ["model=rnn", "model/size=tiny", "optim.lr=3e-3"]
POSITIONS = ("none", "sinusoidal", "learned", "shaw", "t5", "alibi", "rope")
RECURRENT = """no-attention sutskever bahdanau luong luong-no-feeding dot general concat scaled_dot location multihead_additive
    multihead_dot local_m local_p sparsemax entmax15 hard hard_gumbel coverage""".split()
SHORT = {
    **{name: [*TRANSFORMER, f"position={name}"] for name in POSITIONS},
    **{name: [*TRANSFORMER, f"attention={name}"] for name in ("mqa", "gqa", "window", "strided", "multiscale", "adaptive_span")},
    "linear": [*TRANSFORMER, "attention=linear", "position=sinusoidal"],
    **{f"transformer {name}": [*TRANSFORMER, f"attention={name}"] for name in ("sparsemax", "entmax15")},
    **{f"{name} norm": [*TRANSFORMER, f"model.transformer.norm={name}"] for name in ("post", "sandwich")},
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
LONG = {name: [*TRANSFORMER, f"position={name}"] for name in POSITIONS}
COMMON = [
    "data=demo",
    "data.train.demo=120000",
    "data.train.subset=core",
    "data.tokenizer.vocab_size=2000",
    "model.dropout=0",
    "optim=cosine",
    "optim.warmup=200",
    "optim.label_smoothing=0",
    "optim.ema=0.99",
    "trainer.batch_tokens=1024",
    "trainer.val_every=0",
    "trainer.log_every=100",
    "trainer.test_beam=1",
    "data.test.demo=400",
]


class Experiment:
    """A set of models: what they are trained on, and the lengths in words that they are tested on."""

    def __init__(self, models: dict[str, list[str]], overrides: list[str], tests: dict[str, tuple[str, int, int]]) -> None:
        self.models, self.overrides, self.tests = models, overrides, tests  # tests: column -> split, shortest, longest source


EXPERIMENTS = {
    "short": Experiment(
        SHORT,
        ["data.clean.max_words=15", "trainer.max_steps=1500"],
        {"1-15 words": ("test", 1, 15), "16-30 words": ("test", 16, 30)},
    ),
    "long": Experiment(
        LONG,
        ["trainer.max_steps=3000"],
        {"1-40 words": ("test", 1, 40), "41-60": ("long", 41, 60), "61-80": ("long", 61, 80), "81-120": ("long", 81, 120)},
    ),
}
PAIRS = {"test": 1200, "long": 300}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME|KEY=VALUE", help="mechanisms (default: all), and overrides for mt-train")
    parser.add_argument("--set", choices=EXPERIMENTS, default="short", help="which experiment (default: short)")
    parser.add_argument("--folder", type=Path, default=Path("runs/mechanisms"), help="where the runs go (default: runs/mechanisms)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--speed", action="store_true", help="measure tokens per second of each, in turns, instead of training")
    options = parser.parse_args()
    experiment, folder = EXPERIMENTS[options.set], options.folder / options.set
    overrides = [name for name in options.names if "=" in name]
    wanted = [name for name in options.names if "=" not in name] or list(experiment.models)
    if unknown := set(wanted) - set(experiment.models):
        parser.error(f"no mechanism {', '.join(sorted(unknown))}; there are: {', '.join(experiment.models)}")
    set_threads(options.threads)
    common = [*COMMON, *experiment.overrides, f"trainer.threads={options.threads}", *overrides]
    if options.speed:
        measure_speed({name: experiment.models[name] for name in wanted}, folder, common)
    for name in [] if options.speed else wanted:
        run = folder / name.replace(" ", "-")
        if not (run / RESULT).exists():
            train(run, [*common, *experiment.models[name]])
            write_text(run / RESULT, json.dumps(test(run, experiment.tests), indent=1) + "\n")
    print(table(folder, experiment))


def train(run: Path, overrides: Sequence[str]) -> None:
    """mt-train in a process of its own; an interrupted run goes on."""
    command = [sys.executable, "-m", "mt.train", *overrides, f"name={run.name}", f"runs_dir={run.parent}"]
    print(f"== {run.name}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test(run: Path, tests: dict[str, tuple[str, int, int]]) -> dict[str, Any]:
    """BLEU for each column, the alignment error rate for the first, weights, loss."""
    translator, bleu = load(run), build_metrics("de")[0]["bleu"]
    result: dict[str, Any] = {"weights": sum(p.numel() for p in translator.models[0].parameters()), "bleu": {}, "aer": None}
    for number, (column, (split, shortest, longest)) in enumerate(tests.items()):
        pairs = [p for p in generate(split, PAIRS[split], subset="core") if shortest <= count_words(p.source) <= longest]
        hypotheses = translator.translate([p.source for p in pairs], beam=1)
        result["bleu"][column] = bleu.corpus_score(hypotheses, [[p.target for p in pairs]]).score
        if number == 0 and translator.attends:
            result["aer"] = error_rate(translator, pairs)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    result["loss"] = [record["loss"] for record in records if record["kind"] == "val"][-1]
    result["target_tokens"] = [record["target_tokens"] for record in records if record["kind"] == "train"][-1]
    return result


def error_rate(translator: Translator, pairs: Sequence[Any]) -> float:
    """Of the best layer, mean of the heads, links by argmax."""
    golds = parse_lines([p.pharaoh for p in pairs], "links")
    scores = score_attention(translator.attention([(p.source, p.target) for p in pairs]), golds)
    return min(scores.at(layer, None, reading).aer for layer in range(scores.layers) for reading in scores.readings)


def measure_speed(models: dict[str, list[str]], folder: Path, common: Sequence[str]) -> None:
    """Target tokens per second in training: runs of 60 steps that take turns, three times; median after the first quarter."""
    found: dict[str, list[float]] = {name: [] for name in models}
    short = ["trainer.max_steps=60", "trainer.log_every=5", "data.val.demo=20", "data.test.demo=20"]
    for turn in range(3):
        for name, overrides in models.items():
            run = folder / "speed" / f"{turn}-{name.replace(' ', '-')}"
            train(run, [*common, *overrides, *short])
            records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
            speeds = [record["tokens_per_second"] for record in records if record["kind"] == "train"]
            found[name].append(statistics.median(speeds[len(speeds) // 4 :]))
    path = folder / SPEED
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_text(path, json.dumps(known | {name: statistics.median(values) for name, values in found.items()}, indent=1) + "\n")


def table(folder: Path, experiment: Experiment) -> str:
    """What there is, as Markdown."""
    speeds = json.loads((folder / SPEED).read_text(encoding="utf-8")) if (folder / SPEED).exists() else {}
    lines = [
        f"| mechanism | {' | '.join(experiment.tests)} | AER | loss | weights | tokens/s |",
        "|---" * (len(experiment.tests) + 5) + "|",
    ]
    for name in experiment.models:
        path = folder / name.replace(" ", "-") / RESULT
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            scores = " | ".join(f"{found['bleu'][column]:.1f}" for column in experiment.tests)
            aer = "" if found["aer"] is None else f"{found['aer']:.1f}"
            speed = f"{speeds[name]:,.0f}" if name in speeds else ""
            lines.append(f"| {name} | {scores} | {aer} | {found['loss']:.3f} | {found['weights'] / 1e6:.2f} M | {speed} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
