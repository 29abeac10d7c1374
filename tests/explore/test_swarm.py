"""A swarm: equal seeds give equal results whatever happens to its workers."""

import os
import signal
import threading
from pathlib import Path

import pytest

from harness.errors import Inconclusive, MountproofError
from harness.explore.chunk import SEEDS_PER_SWARM, Chunk
from harness.explore.swarm import CHUNK_DISASTERS, SwarmOrder, SwarmResult, run_swarm
from harness.explore.workforce import LocalWorkers, Lost, Message
from tests.explore.odd_cores import odd_seeds

ODD = "tests.explore.odd_cores:"
SEED = 4
FEW = 21
"""So many that two of them are run twice."""
FEWER = 5
"""So few that one of them is odd: test_one_of_a_few_is_odd."""


def swarm(workers: int = 2, patience: float = 60, **options: object) -> SwarmResult:
    order = SwarmOrder(**{"seed": SEED, "disasters": FEW, **options})  # type: ignore[arg-type]
    workforce = LocalWorkers(workers, patience=patience)
    try:
        return run_swarm(order, workforce)
    finally:
        workforce.close()


@pytest.fixture(scope="module")
def plain() -> SwarmResult:
    """The same swarm with nothing odd about it."""
    return swarm(1)


def test_it_counts_everything_and_runs_a_share_twice(plain: SwarmResult) -> None:
    tally = plain.tally
    assert tally.disasters == FEW
    assert tally.twice == 2  # the first and the last
    assert tally.exercised["ordered-once"] > 100
    assert sum(tally.fired.values()) > 20
    assert tally.steps > 10 * FEW
    assert not plain.interrupted


def test_equal_seeds_give_equal_digests_for_any_number_of_workers_and_hash_seeds(
    plain: SwarmResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    other = swarm(3)
    assert other.tally.digest == plain.tally.digest
    assert other.tally.exercised == plain.tally.exercised
    assert other.tally.fired == plain.tally.fired


def test_other_seeds_give_another_digest(plain: SwarmResult) -> None:
    assert swarm(seed=5).tally.digest != plain.tally.digest


def test_one_of_a_few_is_odd() -> None:
    assert len(odd_seeds(SEED * SEEDS_PER_SWARM, FEWER)) == 1


def test_a_seed_that_kills_its_worker_is_named_and_the_rest_counts() -> None:
    result = swarm(core=f"{ODD}deadly", disasters=FEWER)
    odd = odd_seeds(SEED * SEEDS_PER_SWARM, FEWER)
    assert sorted(seed for seed, _ in result.tally.dead) == odd
    assert all("signal 9" in reason for _, reason in result.tally.dead)
    assert result.tally.disasters == FEWER


def test_a_death_that_does_not_repeat_itself_is_no_finding(
    plain: SwarmResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_CORES_MARK", str(tmp_path / "died"))
    result = swarm(core=f"{ODD}deadly_once")
    assert (tmp_path / "died").exists()
    assert result.tally.dead == []
    assert result.tally.digest == plain.tally.digest


def test_a_worker_killed_from_outside_changes_nothing(plain: SwarmResult) -> None:
    workforce = LocalWorkers(2)
    killed: list[int] = []

    def kill_one(_result: SwarmResult) -> None:
        if not killed and workforce.pids:
            killed.append(workforce.pids[0])
            os.kill(killed[0], signal.SIGKILL)

    try:
        order = SwarmOrder(seed=SEED, disasters=FEW)
        timer = threading.Timer(0.2, kill_one, [None])
        timer.start()
        result = run_swarm(order, workforce, tell=kill_one)
        timer.join()
    finally:
        workforce.close()
    assert killed
    assert result.tally.digest == plain.tally.digest


@pytest.mark.parametrize("how", ["hanging", "raising"])
def test_a_core_that_hangs_or_raises_is_a_finding_and_the_rest_counts(how: str) -> None:
    result = swarm(1, core=f"{ODD}{how}", limit_s=0.5, disasters=FEWER)
    odd = odd_seeds(SEED * SEEDS_PER_SWARM, FEWER)
    errors = [one for one in result.tally.sightings if one.claim == "core-error"]
    assert sum(one.times for one in errors) == len(odd)
    assert min(one.seed for one in errors) == odd[0]
    assert result.tally.disasters == FEWER


def test_a_worker_that_answers_no_signal_is_killed() -> None:
    odd = odd_seeds(SEED * SEEDS_PER_SWARM, FEWER)
    chunk = Chunk(first=odd[0], count=1, core=f"{ODD}stuck")
    workforce = LocalWorkers(1, patience=1.5)
    try:
        workforce.submit(chunk)
        messages: list[Message] = []
        while not messages:
            messages += workforce.wait(0.2)
        assert messages == [Lost(chunk, "it hung")]
        assert workforce.room == 1  # another one took its place
    finally:
        workforce.close()


def test_what_a_core_prints_disturbs_nothing(plain: SwarmResult) -> None:
    assert swarm(core=f"{ODD}printing").tally.digest == plain.tally.digest


def test_a_core_that_kills_every_worker_ends_the_swarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.explore.swarm.DEATHS_MAX", 2)
    with pytest.raises(Inconclusive, match="workers died, the last with seeds 4000000"):
        swarm(core=f"{ODD}deadly", disasters=FEWER)


def test_an_error_of_ours_ends_it_with_its_traceback() -> None:
    with pytest.raises(MountproofError, match="no_such_module"):
        swarm(core="no_such_module:make")


def test_asked_to_stop_it_tells_what_there_is_so_far() -> None:
    workforce = LocalWorkers(1)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    try:
        result = run_swarm(SwarmOrder(seed=SEED, disasters=100_000), workforce, stop=stop)
    finally:
        workforce.close()
    assert result.interrupted
    assert result.tally.disasters <= 2 * CHUNK_DISASTERS


def test_a_budget_of_time_ends_it() -> None:
    result = swarm(2, disasters=None, seconds=0.5)
    assert 0 < result.tally.disasters < 100_000
