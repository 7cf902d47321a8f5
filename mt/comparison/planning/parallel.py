"""The number of runs that train at a time on this machine, and the CPU threads of each."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mt.comparison.planning.spec import ComparisonSpec
from mt.comparison.planning.trial_settings import count_trials
from mt.comparison.planning.variants import compose
from mt.device import count_cores, pick_device
from mt.errors import UsageError

BYTES_PER_RUN = 3 * 2**30  # of memory: small models need less


def choose_jobs(
    jobs: int, spec: ComparisonSpec, train: Sequence[str], launcher: Sequence[str]
) -> tuple[int, list[str]]:
    """Return the number of runs at a time, and the settings of mt-train that it needs.

    If `jobs` is 0, it is chosen. On a CPU, as many runs as it has cores and memory for, each with
    its share of the threads: two small models side by side, with a thread each, train faster than
    one after the other with two. One on a GPU, or with a budget in minutes, which other runs would
    change. A launcher that the user chooses decides by itself.

    Raises UsageError if `jobs` is negative or given together with a launcher.
    """
    if jobs < 0:
        raise UsageError(f"jobs must be >= 0, got {jobs}")
    if launcher:
        if jobs:
            raise UsageError(
                f"jobs={jobs} and {launcher[0]} both choose a launcher: give one of them"
            )
        return 1, []
    name, own = next(iter(spec.variants.items()))
    config = compose(name, [*spec.overrides, *own, *train])
    cores = count_cores()
    if not jobs:
        is_shared = pick_device(config.trainer.device).type == "cpu" and not spec.budget.minutes
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        possible = min(cores // max(1, config.trainer.threads), memory // BYTES_PER_RUN)
        trainings = max(len(spec.seeds), count_trials(spec.tune, spec.trials))  # of a variant
        jobs = max(1, min(possible, len(spec.variants) * trainings)) if is_shared else 1
    if jobs == 1:
        return 1, []
    threads = config.trainer.threads or max(1, cores // jobs)
    return jobs, [f"trainer.threads={threads}"]
