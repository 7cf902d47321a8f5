"""The number of runs at a time, and runs side by side."""

from __future__ import annotations

import pytest

from mt.comparison.planning import parallel
from mt.comparison.planning.parallel import choose_jobs
from mt.comparison.planning.spec import ComparisonSpec, load_spec
from mt.errors import UsageError


def spec(**changes: object) -> ComparisonSpec:
    return load_spec("quick", changes, [])[0]


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "count_cores", lambda: 8)
    monkeypatch.setattr(parallel, "BYTES_PER_RUN", 1)


@pytest.mark.parametrize(
    ("jobs", "train", "budget", "expected"),
    [
        (0, [], {}, (4, 2)),  # the comparison has four runs
        (0, ["trainer.threads=4"], {}, (2, 4)),
        (0, ["trainer.threads=16"], {}, (1, 0)),
        (0, [], {"budget.minutes": 1}, (1, 0)),
        (3, [], {"budget.minutes": 1}, (3, 2)),
        (16, [], {}, (16, 1)),
        (1, [], {}, (1, 0)),
    ],
)
def test_runs_share_the_cores(
    jobs: int, train: list[str], budget: dict[str, object], expected: tuple[int, int]
) -> None:
    number, threads = expected
    settings = [f"trainer.threads={threads}"] if threads else []
    cpu = ["trainer.device=cpu", *train]
    assert choose_jobs(jobs, spec(**budget), cpu, []) == (number, settings)


def test_seeds_and_trials_count_and_memory_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = ["trainer.device=cpu"]
    assert choose_jobs(0, spec(seeds=2), cpu, [])[0] == 8
    tuned = spec(tune={"optim.lr": ["1e-3", "2e-3"]})
    assert choose_jobs(0, tuned, cpu, [])[0] == 8  # two trials of each variant
    monkeypatch.setattr(parallel, "BYTES_PER_RUN", 2**60)
    assert choose_jobs(0, spec(), cpu, []) == (1, [])


def test_a_gpu_trains_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "pick_device", lambda name: type("Device", (), {"type": "cuda"}))
    assert choose_jobs(0, spec(), [], []) == (1, [])


def test_a_launcher_of_the_user_decides() -> None:
    own = ["hydra/launcher=submitit_slurm"]
    assert choose_jobs(0, spec(), [], own) == (1, [])
    with pytest.raises(UsageError, match="both choose a launcher"):
        choose_jobs(2, spec(), [], own)
    with pytest.raises(UsageError, match="jobs must be >= 0, got -1"):
        choose_jobs(-1, spec(), [], [])
