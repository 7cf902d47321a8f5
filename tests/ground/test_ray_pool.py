"""Actors on a Ray cluster that are killed, that fail, and that cannot be started."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mt.errors import MTError
from mt.optional import install_command
from mt.ray_pool import ADDRESS, AHEAD, MAX_LOSSES, ActorPool, Call, FunctionCaller, open_pool

LOST = "an actor of Ray was lost: another one does its task"


class LostActor(Exception):
    """Stands for RayError."""


class TaskError(LostActor):
    """Stands for RayTaskError: the method has raised `cause`."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class SimulatedRay:
    """Stands for the module ray: results are computed when they are taken, in a random order.

    Its actors square numbers, unless they are given a function. `losses` says at which tasks actors
    are lost, and how often.
    """

    exceptions = SimpleNamespace(RayError=LostActor, RayTaskError=TaskError)

    def __init__(self, **losses: int) -> None:
        self.losses, self.random = losses, random.Random(0)
        self.taken = 0

    def wait(self, references: list[Any], timeout: float | None) -> tuple[list[Any], list[Any]]:
        assert references, "ray.wait refuses an empty list"
        done = self.random.sample(references, 1 if timeout is None else self.random.randint(0, 1))
        return done, []

    def put(self, value: Any) -> Callable[[], Any]:
        return lambda: value

    def get(self, reference: Callable[[], Any]) -> Any:
        self.taken += 1
        return reference()

    def actor(self) -> Any:
        remote = SimpleNamespace
        return remote(
            start=remote(remote=lambda: lambda: self.perform("start", 0)),
            call=remote(remote=lambda *given: lambda: self.perform(f"task_{given[-1]}", *given)),
        )

    def perform(self, task: str, *given: Any) -> int:
        *function, number = given
        if self.losses.get(task):
            self.losses[task] -= 1
            raise LostActor(f"lost at {task}")
        try:
            if number < 0:
                raise MTError("negative")
            return FunctionCaller().call(*given) if function else number**2
        except (MTError, TypeError) as error:
            raise TaskError(error) from None


def simulate(items: Any, **losses: int) -> tuple[list[Any], list[str]]:
    """Return the results of items by two actors, and what is said."""
    ray, said = SimulatedRay(**losses), []
    return list(ActorPool(ray, ray.actor, 2, said.append).map(items)), said


def test_results_and_other_items_come_in_order_whatever_is_lost() -> None:
    items = [item for number in range(30) for item in (str(number), Call((number,)))]
    results, said = simulate(items, start=2, task_3=1, task_4=MAX_LOSSES, task_29=2)
    assert results == [item for number in range(30) for item in (str(number), number**2)]
    assert said == [LOST] * (3 + MAX_LOSSES)


def test_a_call_that_fails_does_not_disturb_the_others() -> None:
    calls = [Call((number,)) for number in (1, -2, 3, 4)]
    (one, two, three, four), _ = simulate(calls, task_3=MAX_LOSSES + 1)
    assert (one, str(two), four) == (1, "negative", 16)
    assert str(three) == "3 actors of Ray were lost at the same task: lost at task_3"


def test_actors_that_cannot_start_and_errors_of_the_program_are_raised() -> None:
    with pytest.raises(MTError, match="actors of Ray ended when they started: lost at start"):
        simulate([Call((1,))], start=MAX_LOSSES + 1)
    with pytest.raises(TypeError):
        simulate([Call(("1",))])
    ray = SimulatedRay(start=MAX_LOSSES)
    pool = ActorPool(ray, ray.actor, 2, print)
    pool.wait_for_start()
    assert pool.idle and not any(ray.losses.values())


def test_functions_are_called_in_order_and_their_errors_are_raised(monkeypatch) -> None:
    ray = SimulatedRay(task_7=1)
    monkeypatch.setitem(sys.modules, "ray", ray)
    pool = ActorPool(ray, ray.actor, 2, print)
    calls = ((number,) for number in range(20))
    assert list(pool.map_function(lambda n: n + 1, calls)) == list(range(1, 21))
    with pytest.raises(MTError, match="negative"):
        list(pool.map_function(lambda n: n, [(1,), (-1,), (2,)]))


def test_an_actor_takes_a_function_once(monkeypatch) -> None:
    ray = SimulatedRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    caller, (double, power) = FunctionCaller(), ([ray.put(f)] for f in (lambda n: 2 * n, pow))
    results = [caller.call(double, 2), caller.call(double, 4), caller.call(power, 3, 2)]
    assert results == [4, 8, 9] and ray.taken == 2


def test_few_items_are_begun_before_the_first_result_is_taken() -> None:
    begun, most = 0, {}
    ray = SimulatedRay()
    for kind in ("calls", "other items"):

        def items(kind: str = kind) -> Iterator[Any]:
            nonlocal begun
            yield Call((0,))
            for begun in range(1, 100):
                yield Call((begun,)) if kind == "calls" else begun

        next(ActorPool(ray, ray.actor, 2, print).map(items()))
        most[kind] = begun
    assert most == {"calls": 2 * AHEAD - 1, "other items": 2 * AHEAD * AHEAD - 1}


class Squares:
    """An actor that squares numbers, and is killed once at those of which there is a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, False

    def start(self) -> None:
        self.started = True

    def call(self, number: int) -> int:
        assert self.started
        time.sleep(0.05)
        path = self.folder / str(number)
        if path.exists():
            path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2


@pytest.mark.slow
def test_a_cluster_that_loses_processes_and_a_machine_loses_no_task(
    tmp_path, monkeypatch, capsys
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # Ray would write a token to the home folder
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 1})
    machine, _ = (cluster.add_node(num_cpus=1) for _ in range(2))
    monkeypatch.setenv(ADDRESS, cluster.address)
    said: list[str] = []

    def items() -> Iterator[Any]:
        for number in range(60):
            if number == 30:
                cluster.remove_node(machine, allow_graceful=False)
            yield Call((number,))

    try:
        for number in (3, 4, 19, 50):
            (tmp_path / str(number)).touch()
        with open_pool(Squares, (tmp_path,), 1, True, said.append) as pool:
            assert list(pool.map(items())) == [number**2 for number in range(60)]
        assert said[0] == "starting 3 actors on Ray with 1 CPU each"
        assert said.count(LOST) >= 4
        with (
            pytest.raises(MTError, match="no machine of the Ray cluster has 2 CPU: lower"),
            open_pool(Squares, (tmp_path,), 2, True, said.append),
        ):
            pass
    finally:
        cluster.shutdown()
    assert capsys.readouterr().out == "", "standard output is for results"


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MTError, match=install_command("ray")),
        open_pool(Squares, (), 1, True, print),
    ):
        pass


def test_a_cluster_that_does_not_answer_is_named(monkeypatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        for value, reason in ((address, "refused"), ("nonsense", "Invalid address")):
            monkeypatch.setenv(ADDRESS, value)
            with (
                pytest.raises(MTError, match=f"no Ray cluster at RAY_ADDRESS={value} .*{reason}"),
                open_pool(Squares, (), 1, True, print),
            ):
                pass
