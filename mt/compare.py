"""mt-compare: which system is better, and how surely?

Of runs that are trained, or of any systems' output, given as files.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.comparison.results import compare
from mt.comparison.systems import Material, of_files, of_runs
from mt.config import setting
from mt.errors import UsageError, run_command
from mt.evaluation.evaluation import check_settings
from mt.report.comparison.markdown import summary
from mt.report.comparison.write import write_report

HEADER = """\
mt-compare: which system is better, and how surely?

usage: mt-compare runs='[RUN,RUN,...]' [key=value ...]
       mt-compare hyp='{NAME: FILE, ...}' ref=FILE [src=FILE] [key=value ...]

  mt-compare runs='[runs/rnn,runs/transformer]'
  mt-compare runs='[runs/a-1,runs/a-2,runs/a-3,runs/b-1,runs/b-2,runs/b-3]' baseline=a-1     three seeds of two systems
  mt-compare hyp='{ours: ours.de, theirs: theirs.de}' ref=news.de src=news.en lang=de
  mt-compare hyp='{ours: [seed1.de,seed2.de], theirs: theirs.de}' ref=news.de

Each system is compared with the baseline on the same sentences: the difference with a 95 % interval over sentences and seeds, a
p-value corrected for the number of systems, and what that means in words. Runs that differ in nothing but their seed are one system.
The tables are printed. out/report.html shows everything and opens in any browser; report.md, results.csv, results.json and figures/
are beside it.

Keys, with their defaults"""


@dataclass
class CompareConfig:
    """The settings of a comparison."""

    runs: list[str] = setting(list, "run directories, by the tests that mt-train left in them")
    hyp: dict[str, Any] = setting(dict, "instead: files of translations, by the name of the system; a list of files for several seeds")
    ref: str = setting("", "with hyp: file of reference translations")
    src: str = setting("", "with hyp: file of sources, whose length then counts")
    lang: str = setting("", "with hyp: target language, which decides how BLEU tokenises")
    baseline: str = setting("", "name of the system that the others are compared with; default: the first")
    out: str = setting("comparison", "folder of report.html, report.md, results.json, results.csv and figures/")
    edges: list[int] = setting(list, "upper ends of the length buckets; default: 10,20,30,40,50,60 words")
    threshold: int = setting(0, "longest sentence that counts as short; 0: 20 words")
    tokenize: str = setting("", "BLEU's tokeniser; default: by language")
    lowercase: bool = setting(False, "lower-case for BLEU and chrF")
    ter: bool = setting(False, "TER too, which takes minutes on long, poor translations")
    bootstrap: int = setting(1000, "resamples of the sentences")


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(help_text(), flush=True)
        return
    run_command(lambda: run(parse(arguments)))


def run(config: CompareConfig) -> dict[str, Any]:
    """Compare, print and write."""
    results = compare(
        material(config),
        config.baseline,
        edges=config.edges or None,
        threshold=config.threshold or None,
        tokenize=config.tokenize,
        lowercase=config.lowercase,
        bootstrap=config.bootstrap,
        ter=config.ter,
        command=["mt-compare", *sys.argv[1:]],
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    written = write_report(results, Path(config.out).expanduser())
    print(summary(results), flush=True)
    print(f"\n{written[0]} shows more", file=sys.stderr, flush=True)
    return results


def material(config: CompareConfig) -> Material:
    """What the settings name."""
    if config.runs:
        return of_runs(config.runs)
    return of_files(config.hyp, config.ref, config.src, config.lang)


def parse(arguments: Sequence[str]) -> CompareConfig:
    """key=value arguments as settings. UsageError for what is wrong with them as far as it shows without reading a file."""
    known = [each.name for each in dataclasses.fields(CompareConfig)]
    given: dict[str, Any] = {}
    try:
        for override in OverridesParser.create().parse_overrides(list(arguments)):
            key = override.key_or_group
            if key not in known or override.is_add() or override.is_delete():
                near = difflib.get_close_matches(key, known, 1, 0.5)
                raise UsageError(f"unknown key {key}: {f'did you mean {near[0]}?' if near else 'mt-compare --help lists what there is'}")
            given[key] = override.value()
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CompareConfig), given))
    except HydraException as error:
        raise UsageError(f"cannot read {' '.join(arguments)}: quote lists and names, as in runs='[runs/a,runs/b]'") from error
    except OmegaConfBaseException as error:
        raise UsageError(str(error).splitlines()[0]) from error
    assert isinstance(config, CompareConfig)
    if bool(config.runs) == bool(config.hyp):
        raise UsageError("give either runs='[RUN,RUN]' or hyp='{NAME: FILE, NAME: FILE}' ref=FILE; see mt-compare --help")
    if config.hyp and not config.ref:
        raise UsageError("hyp needs ref=FILE, the translations to compare with")
    for name in ("ref", "src", "lang"):
        if config.runs and getattr(config, name):
            raise UsageError(f"{name} goes with hyp: runs are compared on the tests that are stored with them")
    check_settings(config.edges or None, config.threshold or None, config.bootstrap)
    return config


def help_text() -> str:
    """What `mt-compare --help` prints."""
    defaults = CompareConfig()
    lines = [HEADER]
    for each in dataclasses.fields(CompareConfig):
        default = getattr(defaults, each.name)
        lines.append(f"  {each.name}{f' = {default}' if default not in ('', [], {}) else ''}\n      {each.metadata['help']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
