"""A swarm on a Dask cluster of this machine, one of whose workers is killed in the middle."""

import os
import signal
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import LocalCluster

from harness.errors import Inconclusive
from harness.explore.dask_cluster import DaskWorkers
from harness.explore.swarm import SwarmOrder, SwarmResult, run_swarm
from harness.explore.workforce import LocalWorkers

ORDER = SwarmOrder(seed=3, disasters=120)


@pytest.fixture
def cluster() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of distributed itself, about ports and its own clean-up
        with LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            worker_dashboard_address=None, silence_logs=50,
        ) as running:  # fmt: skip
            yield running


def on_this_machine() -> SwarmResult:
    workforce = LocalWorkers(2)
    try:
        return run_swarm(ORDER, workforce)
    finally:
        workforce.close()


def test_a_worker_killed_in_the_middle_changes_nothing(cluster: Any) -> None:  # noqa: ANN401
    workforce = DaskWorkers(cluster.scheduler_address)
    killed: list[int] = []

    def kill_one(result: SwarmResult) -> None:
        if not killed and result.tally.disasters:
            killed.append(cluster.workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    try:
        result = run_swarm(ORDER, workforce, tell=kill_one)
    finally:
        workforce.close()
    assert killed
    plain = on_this_machine()
    assert result.tally.disasters == plain.tally.disasters == 120
    assert result.tally.digest == plain.tally.digest
    assert result.tally.exercised == plain.tally.exercised
    assert result.tally.fired == plain.tally.fired


def test_without_a_scheduler_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.explore.dask_cluster.CONNECT_SECONDS", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Inconclusive, match="no scheduler answers there"):
            DaskWorkers("tcp://127.0.0.1:9")
