"""Settings of mt-compare and their help."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from mt.comparison.planning.budget import RunBudget
from mt.comparison.planning.spec import ComparisonSpec
from mt.config.setting import setting

BUDGET_NAMES = [field.name for field in dataclasses.fields(RunBudget)]
BUDGET_KEYS = ", ".join(f"budget.{name}" for name in BUDGET_NAMES if name != "until")

HEADER = """\
mt-compare: compare systems, with confidence intervals and significance tests.

usage: mt-compare [compare=NAME] [key=value ...]
       mt-compare runs='[RUN,RUN,...]' [key=value ...]
       mt-compare hyp='{NAME: FILE, ...}' ref=FILE [src=FILE] [key=value ...]

Train and compare variants:
  mt-compare                      no attention, Bahdanau, Luong, Transformer; tuned, three seeds
  mt-compare compare=quick        short sentences, one seed; takes minutes
  mt-compare compare=positions data=multi30k seeds=5 budget.minutes=20
  mt-compare compare=mine.yaml plan=true         check your own comparison, train nothing
  mt-compare --config-dir conf compare=mine      conf/compare/mine.yaml; conf/ is like configs/
Compare trained runs:
  mt-compare runs='[runs/rnn,runs/transformer]'
  mt-compare runs='runs/why_attention-*'
  mt-compare runs='[runs/a-1,runs/a-2,runs/b-1,runs/b-2]' baseline=a-1     two seeds each
Compare files of translations:
  mt-compare hyp='{ours: ours.de, theirs: theirs.de}' ref=news.de src=news.en lang=de
  mt-compare hyp='{ours: [seed1.de,seed2.de], theirs: theirs.de}' ref='[news.a.de,news.b.de]'

The first form trains missing runs in runs_dir/compare and reuses finished ones; after an
interruption, the same command continues. Any other key=value is a setting of mt-train for all
variants. Every system is compared with the baseline on the same sentences. The report gives the
difference with a 95 % interval over sentences and seeds, a p-value corrected for the number of
systems, and a verdict. Runs that differ only in their seed are one system.

The main tables are printed. report.html, the whole report in one file for any browser, report.md,
results.csv, results.json, figures/ and tables/ (LaTeX) are written to the folder `out`.

keys and their default values:"""


@dataclass
class CompareConfig:
    """The settings of mt-compare. None: as in the comparison's file."""

    compare: str = setting(
        "default",
        "comparison to train: a file of configs/compare, such as ladder or findings/luong-2015, or "
        "the path of a YAML file",
    )
    variants: Any = setting(
        None,
        "(training only) variants, instead of the file's: \"{NAME: ['key=value', ...], ...}\"",
    )
    seeds: Any = setting(None, "(training only) number of seeds, or a list of them")
    budget: RunBudget | None = setting(
        None,
        f"(training only) limit of each run; set one of {BUDGET_KEYS}; budget.until=plateau: end "
        "earlier, when a run has stopped improving (trainer.until)",
    )
    tune: Any = setting(
        None,
        "(training only) values to try for each variant, with a run of the same budget for each "
        "combination; validation chooses: '{optim.lr: [1e-3,2e-3], model.dropout: [0,0.1]}'",
    )
    trials: Any = setting(
        None, "(training only) number of random combinations of tune to try; 0: all"
    )
    halving: Any = setting(
        None,
        "(training only) successive halving: of N trials, such as 3, only the best trains on "
        "after a share of the budget; 0: all are trained to the end",
    )
    trial_seed: Any = setting(
        None, "(training only) seed of the trials, which must be none of the seeds of the runs"
    )
    match_parameters: Any = setting(
        None, "(training only) true: choose widths that match the baseline's number of parameters"
    )
    tests: Any = setting(
        None, "(training only) extra test sets: \"{NAME: ['data.test.KEY=VALUE'], ...}\""
    )
    jobs: int = setting(
        0, "(training only) number of runs at a time; 0: one per core, on a GPU one at a time"
    )
    plan: bool = setting(False, "(training only) check and show what would be trained, then stop")
    runs: list[str] = setting(
        list, "run directories to compare, or patterns such as runs/x-*, instead of training"
    )
    hyp: dict[str, Any] = setting(
        dict,
        "files of translations to compare, by system name, instead of training; a list of files "
        "is one system with several seeds",
    )
    ref: list[str] = setting(
        list, "(hyp only) file of reference translations, or a list of files: several references"
    )
    src: str = setting(
        "", "(hyp only) file of sources; sentences are then grouped by source length"
    )
    lang: str = setting("", "(hyp only) target language code, which selects BLEU's tokenizer")
    baseline: str = setting(
        "",
        "system with which the others are compared; default: that of the file, or the first system",
    )
    out: str = setting(
        "comparison", "folder of report.html, report.md, results.json, results.csv and figures/"
    )
    length_by: str = setting(
        "",
        "side whose length groups the sentences: source or reference; default: source, if given",
    )
    edges: list[int] = setting(
        list, "upper ends of the length buckets; default: [10,20,30,40,50,60] words"
    )
    threshold: int = setting(0, "maximum length of a short sentence; 0: 20 words")
    tokenize: str = setting("", "BLEU's tokenizer; default: by language")
    lowercase: bool = setting(False, "lower-case the text for BLEU and chrF")
    ter: bool = setting(False, "also compute TER, which takes minutes on long, poor translations")
    bootstrap: int = setting(1000, "number of bootstrap resamples")


LIST_KEYS = ("runs", "ref", "edges")  # one value is a list of one
OWN_KEYS = {key.name for key in dataclasses.fields(CompareConfig)}
FILE_KEYS = OWN_KEYS & {key.name for key in dataclasses.fields(ComparisonSpec)}
SPEC_KEYS = FILE_KEYS - {"budget"}  # replace those of the comparison's file; budget.* are apart
TRAINING_KEYS = {"compare", "jobs", "plan", *FILE_KEYS} - {"baseline"}  # of no use otherwise


def help_text() -> str:
    """Return the text of `mt-compare --help`."""
    defaults = CompareConfig()
    lines = [HEADER]
    for key in dataclasses.fields(CompareConfig):
        default = getattr(defaults, key.name)
        shown = "" if default in ("", None, [], {}) else f" = {default}"
        lines.append(f"  {key.name}{shown}\n      {key.metadata['help']}")
    return "\n".join(lines)
