"""Comparisons of tiny models that tune settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from helpers.training_runs import write_tiny_run
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.plan import Plan, make_plan
from mt.comparison.planning.spec import load_spec

VARIANTS = {"rnn": ["model=rnn"], "tr": ["model=transformer"]}
TUNE = {"optim.lr": ["1e-3", "3e-3"], "model.dropout": ["0", "0.1"]}
SHORT = ["model/size=tiny", "data.val.limit=4", "data.test.limit=4"]


def tuning_arguments(folder: Path, *more: str, **keys: object) -> list[str]:
    """Return arguments of mt-compare for variants on a tiny corpus."""
    settings = [s for s in write_tiny_run(folder, 60) if not s.startswith(("name=", "trainer.max"))]
    spec = {"variants": VARIANTS, "overrides": [*settings, *SHORT], "seeds": 1, "tune": TUNE}
    spec |= {"budget": {"steps": 3}, **keys}
    (folder / "tiny.yaml").write_text(json.dumps(spec), encoding="utf-8")  # JSON is YAML
    return [f"compare={folder}/tiny.yaml", f"out={folder}/out", "bootstrap=100", "jobs=1", *more]


def plan_tuning(arguments: Sequence[str]) -> Plan:
    """Return the plan of mt-compare for arguments."""
    request = parse_arguments(arguments)
    spec, notes = load_spec(request.config.compare, request.changes, request.train)
    return make_plan(spec, request.train, lambda _: None, notes)
