"""mt-compare until each run has reached its plateau: from the command to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.training_runs import NARROW_MODEL, write_tiny_run
from mt.compare import run
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.report.sections.learning import token_levels
from mt.comparison.schema.results import Results

# With this rate nothing is learned: the plateau is seen at the third validation, or at the first
# one after twice the warm-up.
SETTINGS = [
    "model=rnn",
    "model/size=tiny",
    *NARROW_MODEL,
    "data.val.limit=4",
    "data.test.limit=4",
    "optim=wsd",
    "optim.lr=1e-5",
    "optim.decay_share=0.5",
    "trainer.val_every=2",
]


@pytest.mark.medium
def test_runs_end_after_their_plateau_and_the_report_compares_them_before_it(
    tmp_path: Path, batches: list[list[str]]
) -> None:
    """Two names of the same model, the second of which may not see a plateau before step 10."""
    corpus = [
        setting
        for setting in write_tiny_run(tmp_path, 60)
        if not setting.startswith(("name=", "trainer.max"))
    ]
    spec = {
        "variants": {"soon": ["optim.warmup=1"], "late": ["optim.warmup=5"]},
        "overrides": [*corpus, *SETTINGS],
        "seeds": 1,
        "budget": {"until": "plateau", "steps": 60},
    }
    (tmp_path / "tiny.yaml").write_text(json.dumps(spec), encoding="utf-8")  # JSON is YAML
    command = [f"compare={tmp_path}/tiny.yaml", f"out={tmp_path}/out", "bootstrap=100", "jobs=1"]
    results = run(parse_arguments(command))
    assert isinstance(results, Results)
    assert results.provenance.budget == "until its plateau, at most 60 steps"
    runs = {system.name: system.runs[0] for system in results.systems}
    for name, plateau, end in (("soon", 6, 9), ("late", 10, 15)):
        trained = runs[name]
        assert (trained.plateau_step, trained.decay_step) == (plateau, plateau + 1)
        assert trained.cost is not None and trained.cost.steps == end == trained.curve[-1].step
        assert not trained.still_improving
    # Validations are compared before the decay of either.
    (tokens,) = [point.target_tokens for point in runs["soon"].curve if point.step == 6]
    assert token_levels(results)[-1] == tokens
    # The models are the same, so that there is no order.
    assert [pair.verdict for pair in results.tests[0].pairs if pair.metric == "bleu"] == [
        "not distinguishable"
    ]
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    section = page.split("## Same budget and end of training")[1].split("\n## ")[0]
    assert "No two systems differ significantly in test BLEU" in section
    assert "tokens to plateau" in section and "still improving" not in page
    # The same command trains nothing.
    batches.clear()
    assert run(parse_arguments(command)).systems == results.systems
    assert batches == [[]]
