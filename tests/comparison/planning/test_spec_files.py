"""Files of comparisons that extend others."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt.comparison.planning.spec import FIXED, load_spec
from mt.comparison.planning.spec_files import comparisons
from mt.errors import UsageError

PARENT = """
variants: {plain: [model=rnn], other: [model=transformer]}
baseline: other
overrides: [optim.lr=1e-3, data=demo]
budget: {steps: 10, until: plateau}
seeds: 2
"""


def load(folder: Path, **files: str):
    """Write NAME.yaml files and load the first as a comparison."""
    (folder / "compare/more").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"compare/more/{name}.yaml").write_text(text, encoding="utf-8")
    name = f"more/{next(iter(files))}"
    return load_spec(name, {}, [f"hydra.searchpath=[file://{folder}]"])[0]


def test_a_file_takes_over_what_it_does_not_set(tmp_path: Path) -> None:
    child = "extends: more/parent\noverrides: [optim.lr=2e-3]\nbudget: {minutes: 3}\nseeds: 5"
    spec = load(tmp_path, child=child, parent=PARENT)
    assert spec.overrides == [FIXED, "optim.lr=1e-3", "data=demo", "optim.lr=2e-3"]
    assert (spec.baseline, list(spec.variants)) == ("other", ["plain", "other"])
    assert spec.seeds == [1, 2, 3, 4, 5]
    assert (spec.budget.minutes, spec.budget.steps, spec.budget.until) == (3, 0, "budget")


def test_a_file_with_variants_of_its_own_has_its_own_baseline_and_question(tmp_path: Path) -> None:
    child = "extends: more/parent\nvariants: {deep: [model=rnn]}"
    spec = load(tmp_path, child=child, parent=PARENT + "\nquestion: Which?\ntitle: Of two")
    assert spec.baseline == "deep" and spec.seeds == [1, 2]
    assert (spec.title, spec.question) == ("", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("extends: more/child", "compare=more/child: more/child extends itself"),
        ("extends: more/paren", r"no comparison more/paren: did you mean more/parent\?"),
        ("extends: [more/parent]", "extends must be the name of a comparison"),
        ("extends: more/parent\noverrides: {a: 1}", "overrides must be a list of settings"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, child=content, parent=PARENT)


def test_comparisons_in_folders_have_names_with_a_slash(tmp_path: Path) -> None:
    load(tmp_path, child=PARENT)
    assert "more/child" in comparisons([tmp_path])
