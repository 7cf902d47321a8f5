"""Diagnostics as a table, as findings and as JSON."""

from __future__ import annotations

import json

import numpy as np

from helpers.planted_maps import one_hot_rows, pair_statistics, stack_heads, uniform_map
from mt.inspection.diagnostics.map_statistics import (
    PairStatistics,
    measure_maps,
)
from mt.inspection.diagnostics.summary import Diagnostics, summarise
from mt.inspection.diagnostics.tables import diagnostics_dict, diagnostics_table, findings


def diagnostics_of(*layers: list[np.ndarray], kind: str = "encoder") -> Diagnostics:
    return summarise(
        [pair_statistics(stack_heads(*layers), kind=kind)] * 3, np.array([3, 4, 5]), threshold=4
    )


BACK, AHEAD = one_hot_rows([0, 0, 1, 2, 3], 5), one_hot_rows([1, 2, 3, 4, 4], 5)


def test_distinct_sharp_heads_have_no_findings() -> None:
    assert findings(diagnostics_of([np.eye(5), BACK, AHEAD])) == []
    assert "findings" not in diagnostics_table(diagnostics_of([np.eye(5), BACK, AHEAD]))


def test_uniform_and_redundant_heads_are_reported() -> None:
    uniform, on_eos = uniform_map(5, 5), one_hot_rows([4] * 5, 5)
    result = findings(
        diagnostics_of(
            [BACK, AHEAD, BACK],
            [np.eye(5), uniform, AHEAD],
            [uniform] * 3,
            [on_eos, BACK, np.eye(5)],
        )
    )
    assert result == [
        "encoder layer 1: heads 1 and 3 are nearly identical (similarity 1.00)",
        "encoder layer 2: head 2 is close to uniform (1.00 normalised entropy)",
        "encoder layer 3 is close to uniform (1.00 normalised entropy)",
        "encoder layer 3: all heads are nearly identical (similarity 1.00 or more)",
        "encoder layer 4: head 1 is mostly on EOS (1.00 of the weight)",
    ]
    assert "decoder layer 1 is mostly on BOS (1.00 of the weight)" in findings(
        diagnostics_of([one_hot_rows([0] * 5, 5)], kind="decoder")
    )


def test_heads_on_punctuation_are_reported() -> None:
    maps = stack_heads([one_hot_rows([1] * 5, 5), BACK])
    figures = measure_maps(maps, "cross", np.arange(5) == 1)
    result = findings(
        summarise([PairStatistics({"cross": figures}, 1.0)] * 3, np.array([3, 4, 5]), 4)
    )
    assert result == ["cross layer 1: head 1 is mostly on punctuation (1.00 of the weight)"]


def test_the_table_shows_every_layer_and_its_extremes() -> None:
    table = diagnostics_table(
        diagnostics_of(
            [np.eye(5), uniform_map(5, 5)],
            [one_hot_rows([0] * 5, 5), one_hot_rows([1] * 5, 5)],
            kind="cross",
        )
    ).splitlines()
    assert table[0] == "attention in 3 pairs of source and reference"
    rows = {line.split()[0]: line.split() for line in table[3:7]}
    assert rows["cross"] == ["cross", "entropy", "distance", "EOS", "punctuation", "similarity"]
    assert rows["1"][1:3] == ["0.50", "(0.00-1.00)"] and rows["1"][5:7] == ["0.20", "(0.20-0.20)"]
    assert rows["uniform"][1] == "1.00"
    at = next(number for number, line in enumerate(table) if line.startswith("coverage"))
    assert table[at + 2].split() == ["1", "1.00", "0.00", "0", "%", "0", "%"]
    assert table[at + 3].split() == ["2", "1.25", "1.25", "50", "%", "50", "%"]  # 2.5, 2.5, 0 and 0
    assert max(map(len, table)) < 110


def test_json_has_every_head() -> None:
    data = json.loads(
        json.dumps(
            diagnostics_dict(diagnostics_of([BACK, AHEAD, BACK], [uniform_map(5, 5)] * 3)),
            allow_nan=False,
        )
    )
    kind = data["kinds"]["encoder"]
    assert (kind["layers"], kind["heads"], kind["special"], kind["pairs"]) == (
        2,
        3,
        "EOS",
        [[0, 1], [0, 2], [1, 2]],
    )
    evenness = kind["figures"]["evenness"]
    assert np.allclose(evenness["heads"]["mean"], [[0, 0, 0], [1, 1, 1]]) and evenness["even"] == 1
    assert kind["figures"]["alike"]["heads"]["mean"][0] == [0, 1, 0]
    assert evenness["heads"]["rho_length"] == [[None] * 3] * 2
    assert data["findings"][0].startswith("encoder layer 1: heads 1 and 3")
