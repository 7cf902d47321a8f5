"""A kind of parallelism that is named without several processes to share anything."""

from __future__ import annotations

import pytest

from helpers.training_runs import run_training
from mt.errors import UsageError
from mt.training.distributed import ProcessGroup
from mt.training.parallel import check_parallel


def test_a_kind_that_is_named_without_torchrun_is_refused(tiny_run, tmp_path):
    for name in ("ddp", "fsdp", "hybrid"):
        with pytest.raises(UsageError, match=rf"^trainer\.parallel={name} .* one is alone: torchr"):
            check_parallel(name, ProcessGroup())
    with pytest.raises(UsageError, match=r"^trainer\.parallel=fsdp"):
        run_training([*tiny_run(60), "trainer.parallel=fsdp", "trainer.max_steps=1"])
    assert not (tmp_path / "runs").exists()


def test_torchrun_with_one_process_says_that_it_has_no_effect(monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, str(value))
    assert check_parallel("auto", ProcessGroup()) == []
    assert check_parallel("fsdp", ProcessGroup()) == [
        "note: trainer.parallel=fsdp has no effect: torchrun has started one process"
    ]
