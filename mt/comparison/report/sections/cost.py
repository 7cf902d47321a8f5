"""Cost of training and translation."""

from __future__ import annotations

from mt.comparison.report.blocks import Section
from mt.comparison.report.queries import system_cell
from mt.comparison.report.text import format_large, format_number
from mt.comparison.schema.results import Results
from mt.comparison.table import Cell, Table


def cost(results: Results) -> Section:
    """Show the cost of each system."""
    return Section("cost", "Cost", [cost_table(results)])


def cost_table(results: Results) -> Table:
    """Return means over the runs of each system; nothing for files."""
    rows: list[list[Cell | str]] = []
    for system in results.systems:
        cost = system.cost
        if cost is None:
            continue
        memory = None if cost.peak_memory is None else cost.peak_memory / 2**20
        rows.append(
            [
                system_cell(system),
                format_large(system.parameters or cost.parameters),
                format_number(cost.minutes),
                format_large(cost.steps),
                format_large(cost.target_tokens),
                format_large(cost.flops),
                format_number(cost.tokens_per_second, 0),
                format_number(memory, 0),
                format_number(cost.sentences_per_second),
            ]
        )
    header = ["system", "parameters", "minutes", "steps", "target tokens", "FLOPs", "tokens/s"]
    header += ["peak memory, MiB", "sentences/s"]
    note = "Tokens/s: target tokens in training. Sentences/s: in translation of the test set."
    return Table(header, rows, note=note).without_empty_columns()
