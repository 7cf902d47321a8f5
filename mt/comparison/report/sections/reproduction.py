"""Reproduction: command, settings, runs, signatures of metrics and software of a comparison."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mt.comparison.report.blocks import (
    Block,
    Bullets,
    Command,
    Details,
    Heading,
    Note,
    Section,
    Signatures,
)
from mt.comparison.report.queries import metric_title
from mt.comparison.report.text import count_noun
from mt.comparison.schema.results import Results
from mt.comparison.table import Cell, Table

# Settings that readers ask for first, if all systems share them.
MAIN_SETTINGS = (
    "data.name",
    "data.src_lang",
    "data.tgt_lang",
    "data.tokenizer.vocab_size",
    "optim.optimizer",
    "optim.lr",
    "optim.schedule",
    "optim.warmup",
    "trainer.batch_tokens",
    "trainer.accumulate",
    "trainer.precision",
    "trainer.val_metric",
    "trainer.val_beam",
    "trainer.test_beam",
)


def reproduction(results: Results) -> Section:
    """Show what is needed to repeat the comparison."""
    provenance, settings, runs = results.provenance, settings_table(results), run_table(results)
    signatures = [(metric_title(name), text) for name, text in results.signatures.items()]
    blocks: list[Block] = [Command(shlex.join(provenance.command))] if provenance.command else []
    if settings.rows:
        blocks += [Heading("Settings in which systems differ"), settings]
    if provenance.settings:
        number = count_noun(len(provenance.settings), "setting")
        blocks += [
            Heading("Settings of all systems"),
            shared_settings_table(results, MAIN_SETTINGS),
            Details(f"All {number} in common", [shared_settings_table(results)]),
        ]
    blocks += [
        Bullets(provenance.match_parameters),
        Details(f"All {count_noun(len(runs.rows), 'run')} with seeds and directories", [runs]),
        Heading("Scores"),
        Signatures(signatures),
        Note(f"At least {results.bootstrap:,} bootstrap resamples of the sentences per interval."),
        Bullets(results.notes, small_print=True),
        Heading("Software and hardware"),
        versions_table(results),
    ]
    title = "How to reproduce this comparison"
    return Section("reproduction", title, blocks, short_title="Reproduction")


def settings_table(results: Results) -> Table:
    """Return the settings in which systems differ."""
    systems = results.systems
    keys = list(dict.fromkeys(key for system in systems for key in system.settings))
    rows = [[key, *(str(system.settings.get(key, "-")) for system in systems)] for key in keys]
    header = ["setting", *(system.name for system in systems)]
    return Table(header, rows, text_columns=len(header))


def shared_settings_table(results: Results, keys: Sequence[str] = ()) -> Table:
    """Return the settings that all systems share: these keys, or all."""
    settings = results.provenance.settings
    chosen = [key for key in keys if settings.get(key) not in (None, "")] if keys else settings
    return Table(["setting", "value"], [[key, str(settings[key])] for key in chosen], 2)


def run_table(results: Results) -> Table:
    """Return every run, including those that failed."""
    rows: list[list[Cell | str]] = []
    for system in results.systems:
        for run in system.runs:
            states = ["ignores its source"] * system.ignores_source
            states += ["still improving"] * run.still_improving
            state = ", ".join(states) or "finished"
            seed = "" if run.seed is None else str(run.seed)
            rows.append([system.name, seed, state, run.path])
    for failed in results.failed:
        rows.append([failed.system, str(failed.seed), f"failed: {failed.reason}", failed.path])
    return Table(["system", "seed", "state", "path"], rows, text_columns=4)


def versions_table(results: Results) -> Table:
    """Return versions of software, the hardware, and the budget of a run."""
    provenance = results.provenance
    values = {
        **provenance.versions,
        **vars(provenance.hardware),
        "commit": provenance.commit,
        "date": provenance.date,
        "budget": provenance.budget,
    }
    rows = [[name, str(value)] for name, value in values.items() if value]
    return Table(["", ""], rows, text_columns=2)
