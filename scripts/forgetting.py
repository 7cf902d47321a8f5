r"""Fine-tune a run in several ways, and measure what each gains on new text and loses on old.

    D=$MT_REALDATA/newstest-ende
    python scripts/forgetting.py runs/old --out runs/forgetting --picture forgetting.svg -- \
        data.train.src=$D/train.en.gz data.train.tgt=$D/train.de.gz \
        data.val.src=$D/val.en.gz data.val.tgt=$D/val.de.gz trainer.max_steps=500

The settings after `--` are those of mt-train for the new text. The old text is that of the run:
its training set, and its validation set, which must be set. The trainings are alike except for

- optim.init_decay, for each number of --pulls (L2-SP, Li et al. 2018);
- the old training text as a further corpus, with each weight of --mixes.

The weights of the plain fine-tuning are also averaged with those of the run, with each share of
--shares (WiSE-FT, Wortsman et al. 2022). All models are scored on the validation sets: BLEU and
chrF with beam 5, and the loss in nats per token. Prints a Markdown table and writes it to
OUT/table.md. The same command continues what was interrupted, and trains nothing twice. --picture
draws the curves, which needs the extra `plot`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from sacrebleu.metrics import BLEU, CHRF

from mt.cli import run_command, say
from mt.comparison.planning.jobs import failure_reason
from mt.comparison.table import Table, markdown_table
from mt.config.overrides import quote_value
from mt.config.schema import SplitConfig
from mt.data.sources import source_kinds
from mt.decoding.load import load
from mt.decoding.tagged_lines import translate_tagged
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation_set import EvaluationSet, load_corpus_split
from mt.run_folder import RunFolder
from mt.training.averaging import average_runs

INITIAL, PLAIN = "initial model", "fine-tuning"
NEW, OLD = "val", "old"  # the validation sets in the settings
# Method -> label of its curve, and the models at its beginning and its end.
CURVES = {
    "average": ("average: share of the fine-tuned weights", INITIAL, PLAIN),
    "pull": ("pull: optim.init_decay", PLAIN, ""),
    "mix": ("mix: weight of the old text", PLAIN, ""),
}


class Scores(NamedTuple):
    """Scores of a model on a validation set."""

    bleu: float
    chrf: float
    loss: float  # nats per target token


class Way(NamedTuple):
    """A way to fine-tune: a method with its number, and the settings that it adds."""

    method: str
    number: float
    settings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The method and its number."""
        return f"{self.method} {self.number:g}" if self.number else self.method

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.title.replace(" ", "-")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=RunFolder.at, help="run directory to fine-tune")
    parser.add_argument("--pulls", nargs="*", type=float, default=[1, 10])
    parser.add_argument("--mixes", nargs="*", type=float, default=[0.1, 0.5])
    parser.add_argument("--shares", nargs="*", type=float, default=[0.25, 0.5, 0.75])
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, a thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/forgetting"))
    parser.add_argument("--picture", type=Path, help="PNG or SVG file to write")
    parser.add_argument("settings", nargs="+", help="settings of mt-train for the new text")
    return parser.parse_args(arguments)


def split_settings(key: str, split: SplitConfig) -> list[str]:
    """Return the overrides that give a split with a name the text of another one."""
    settings = []
    for name, value in split.given().items():
        values = value if isinstance(value, list) else [value]
        quoted = ",".join(quote_value(str(each)) for each in values)
        settings.append(f"+{key}.{name}={f'[{quoted}]' if isinstance(value, list) else quoted}")
    return settings


def ways_to_train(given: argparse.Namespace) -> list[Way]:
    """Return the trainings, the plain one first."""
    data = given.run.read_config().data
    mixed = {"train": data.train} | data.mix
    old_text = [
        setting
        for name, split in mixed.items()
        for setting in split_settings(f"data.mix.{OLD}-{name}", split)
        if ".weight=" not in setting
    ]
    pulls = [Way("pull", pull, (f"optim.init_decay={pull:g}",)) for pull in given.pulls]
    mixes = []
    for weight in given.mixes:
        weights = [f"data.mix.{OLD}-{name}.weight={weight * s.weight}" for name, s in mixed.items()]
        mixes.append(Way("mix", weight, (*old_text, *weights)))
    return [Way(PLAIN, 0), *pulls, *mixes]


def train(given: argparse.Namespace, way: Way) -> None:
    """Run mt-train, which continues a run or finds it complete. Raises MTError with its error."""
    old = split_settings(f"data.val_sets.{OLD}", given.run.read_config().data.val)
    command = [
        *(sys.executable, "-m", "mt.train", *given.settings, *old, *way.settings),
        *(f"trainer.init_from={quote_value(str(given.run))}", f"name={way.name}"),
        *(f"runs_dir={quote_value(str(given.out))}", "trainer.threads=1", "trainer.test=false"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = failure_reason(result.returncode, result.stderr.splitlines())
        raise MTError(f"{way.title}: {reason}")
    say(f"{way.title}: trained")


def average(given: argparse.Namespace, share: float) -> Way:
    """Write the average of the plain fine-tuning, with a share, and of the run.

    It replaces an earlier one, because the fine-tuning may have gone on with a higher limit.
    """
    way = Way("average", share)
    out = RunFolder.at(given.out / way.name)
    shutil.rmtree(out.path, ignore_errors=True)
    average_runs([str(given.out / PLAIN), str(given.run)], out, shares=[share, 1 - share])
    return way


def score(run: RunFolder, sets: Sequence[EvaluationSet]) -> list[Scores]:
    """Return the scores of a model on each set."""
    translator, scores = load(run.path, "cpu", "fp32"), []
    for each in sets:
        references = each.references[0]
        outputs = translate_tagged(translator, each.sources, each.tags or [""] * len(each.sources))
        found = translator.score(zip(each.sources, references, strict=True))
        loss = -sum(pair.log_prob for pair in found) / sum(pair.tokens for pair in found)
        bleu, chrf = (each.corpus_score(outputs, [references]).score for each in (BLEU(), CHRF()))
        scores.append(Scores(bleu, chrf, loss))
    say(f"{run}: scored")
    return scores


def table(scores: dict[str, list[Scores]]) -> Table:
    """Return a row for each model, with its scores on the new text / on the old."""
    rows = []
    for title, (new, old) in scores.items():
        pairs = zip(new, old, (1, 1, 2), strict=True)
        rows.append([title, *(f"{a:.{digits}f} / {b:.{digits}f}" for a, b, digits in pairs)])
    return Table(["model", "BLEU", "chrF", "loss"], rows)


def draw(path: Path, scores: dict[str, list[Scores]], ways: Sequence[Way]) -> None:
    """Draw a curve for each method: loss on the new text against loss on the old."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def place(title: str) -> tuple[float, float]:
        new, old = scores[title]
        return old.loss, new.loss

    figure, axes = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    looks = zip(CURVES.items(), "os^", (4, -12, 4), strict=True)  # marker, height of the labels
    for (method, (label, first, last)), marker, height in looks:
        own = sorted((way for way in ways if way.method == method), key=lambda way: way.number)
        titles = [each for each in (first, *(way.title for way in own), last) if each]
        (drawn,) = axes.plot(*zip(*map(place, titles), strict=True), marker=marker, label=label)
        for way in own:
            axes.annotate(
                f"{way.number:g}", place(way.title), xytext=(5, height), textcoords="offset points",
                color=drawn.get_color(), fontsize=8,
            )  # fmt: skip
    for title in (INITIAL, PLAIN):
        axes.annotate(title, place(title), xytext=(6, -10), textcoords="offset points", fontsize=9)
    axes.set(xlabel="validation loss on the old text", ylabel="validation loss on the new text")
    axes.margins(x=0.2, y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def measure(given: argparse.Namespace) -> None:
    """Train all that is missing, score it, and print the table."""
    if not source_kinds(given.run.read_config().data.val):
        raise UsageError(f"{given.run} holds its validation set out: train it with data.val.*")
    trained = ways_to_train(given)
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda way: train(given, way), trained))
    ways = [*trained, *(average(given, share) for share in given.shares)]
    folders = {INITIAL: given.run} | {way.title: RunFolder.at(given.out / way.name) for way in ways}
    tuned = folders[PLAIN]
    config = tuned.read_config()
    sets = [load_corpus_split(config, name, str(tuned)) for name in (NEW, OLD)]
    scores = {title: score(folder, sets) for title, folder in folders.items()}
    text = markdown_table(table(scores))
    (given.out / "table.md").write_text(text + "\n", encoding="utf-8")
    stored = {
        title: {NEW: new._asdict(), OLD: old._asdict()} for title, (new, old) in scores.items()
    }
    (given.out / "scores.json").write_text(json.dumps(stored) + "\n", encoding="utf-8")
    print(text)
    if given.picture:
        draw(given.picture, scores, ways)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    run_command(lambda: measure(parse(sys.argv[1:] if arguments is None else arguments)))


if __name__ == "__main__":
    main()
