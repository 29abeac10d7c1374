"""Whole runs: the same everywhere and always, safe then live, and honest about what they did."""

import gc
import json
import os
import subprocess
import sys

import pytest

from harness.checkers.observation import NEVER, Mounted, Observer, Operation, RunSetup
from harness.schedule import (
    ClockJump,
    Failover,
    Fault,
    Flush,
    Kill,
    Pause,
    PowerLoss,
    Schedule,
    Setup,
    Start,
    Step,
    Stop,
    Write,
    Zero,
)
from harness.sim.disaster import Outcome, run_disaster, trace_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.faults import CATALOGUE

SECOND = 1_000_000
RUNS = 20
DIGESTS = """
import json
from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule
outcomes = [run_disaster(draw_schedule(seed)) for seed in range(12)]
print(json.dumps([[o.digest, o.exercised, o.fired, o.events] for o in outcomes]))
"""


class Diary(Observer):
    """What the run told."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.local_pages: dict[int, int] = {}
        self.lost: list[dict[int, object | None]] = []
        self.processes: list[tuple[str, str]] = []
        self.mounts: list[Mounted] = []
        self.setups: list[RunSetup] = []
        self.calms = 0
        self.ends: list[str] = []

    def started(self, setup: RunSetup) -> None:
        self.setups.append(setup)

    def invoked(self, now_us: int, operation: Operation) -> None:
        self.operations.append(operation)

    def power_lost(self, now_us: int, pages: object) -> None:
        assert isinstance(pages, dict)
        self.lost.append(dict(pages))

    def process(self, now_us: int, node: str, what: str) -> None:
        self.processes.append((node, what))

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        self.mounts.append(mounted)

    def calm(self, now_us: int) -> None:
        self.calms += 1

    def ended(self, now_us: int, waiting_for: str, blob: object, volume: object) -> None:
        self.ends.append(waiting_for)


def run(*steps: Step, setup: Setup | None = None, seed: int = 1) -> tuple[Outcome, Diary]:
    diary = Diary()
    schedule = Schedule(seed=seed, setup=setup or Setup(), steps=steps)
    return run_disaster(schedule, observers=[diary]), diary


@pytest.mark.parametrize("hash_seed", ["0", "1", "2"])
def test_the_same_disasters_in_another_process(hash_seed: str) -> None:
    """Also when strings hash differently, and whatever ran before."""
    here = []
    for seed in range(12):
        outcome = run_disaster(draw_schedule(seed))
        here.append([outcome.digest, outcome.exercised, outcome.fired, outcome.events])
    there = subprocess.run(
        [sys.executable, "-c", DIGESTS],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert json.loads(there.stdout) == json.loads(json.dumps(here))


def test_a_trace_is_made_of_integers_and_differs_where_the_run_differs() -> None:
    one, trace = trace_disaster(draw_schedule(1))
    other, _ = trace_disaster(draw_schedule(2))
    assert all(isinstance(part, int) for part in trace)
    assert one.digest != other.digest


def test_a_disaster_takes_its_memory_with_it() -> None:
    """What stays for the garbage collector makes the next run slower (docs/simulation.md)."""
    run_disaster(draw_schedule(0))
    gc.collect()
    gc.disable()
    try:
        for seed in range(RUNS):
            run_disaster(draw_schedule(seed))
        assert gc.collect() <= 30 * RUNS
    finally:
        gc.enable()


def test_observers_change_nothing() -> None:
    schedule = draw_schedule(3)
    assert (
        run_disaster(schedule, observers=[Diary()]).digest
        == run_disaster(schedule, checkers=()).digest
        == run_disaster(schedule).digest
    )


def test_a_quiet_run_is_protected_and_at_rest() -> None:
    outcome, diary = run(Write(at_us=SECOND, page=1, pages=2), Flush(at_us=SECOND))
    assert outcome.findings == ()
    assert outcome.steps_effective == 2
    assert diary.calms == 1
    assert diary.ends == [""]
    assert all(operation.promised for operation in diary.operations)
    assert diary.setups[0].mode == "sync"


def test_steps_that_stand_in_disorder_are_taken_by_their_times() -> None:
    sooner, later = Write(at_us=SECOND, page=1), Write(at_us=2 * SECOND, page=2)
    disorder, diary = run(later, sooner)
    assert [operation.first_page for operation in diary.operations] == [1, 2]
    assert disorder.digest == run(sooner, later)[0].digest


def test_what_a_dead_process_was_asked_is_never_answered() -> None:
    outcome, diary = run(Write(at_us=SECOND, page=1), Kill(at_us=SECOND), Start(at_us=SECOND + 9))
    assert outcome.fired == {"kill": 1, "restart": 1}
    assert diary.operations[0].completed == NEVER
    assert outcome.findings == ()


def test_who_is_not_there_is_asked_nothing() -> None:
    outcome, diary = run(Kill(at_us=SECOND), Write(at_us=SECOND + 1, page=1))
    assert diary.operations == []
    assert outcome.steps_effective == 1


def test_a_process_dies_between_two_commands() -> None:
    """Of a write's commands the first is carried out, the rest never."""
    before, _ = run(Kill(at_us=SECOND, after=1), Write(at_us=SECOND, page=1))
    never, _ = run(Kill(at_us=SECOND, after=500), Write(at_us=SECOND, page=1))
    assert before.fired["kill"] == 1
    assert "kill" not in never.fired
    assert never.findings == before.findings == ()


def test_a_paused_process_takes_everything_in_when_it_wakes() -> None:
    outcome, diary = run(
        Pause(at_us=SECOND, for_us=SECOND),
        Write(at_us=SECOND + 1, page=1),
        Write(at_us=SECOND + 2, page=1),
    )
    assert outcome.fired == {"pause": 1}
    woken_us = 2 * SECOND
    # The calm wakes it before its time.
    assert all(SECOND < operation.completed_us <= woken_us for operation in diary.operations)
    assert outcome.findings == ()


def test_a_power_loss_takes_the_cache_and_the_process() -> None:
    outcome, diary = run(
        Write(at_us=SECOND, page=1, pages=3),
        PowerLoss(at_us=SECOND + 20_000),
        Start(at_us=SECOND + 30_000),
        setup=Setup(base_pages=0),
    )
    assert outcome.fired == {"power-loss": 1, "restart": 1}
    assert diary.lost == [{1: None, 2: None, 3: None}]
    assert outcome.findings == ()


def test_a_torn_power_loss_counts_as_torn() -> None:
    outcome, diary = run(
        Write(at_us=SECOND, page=1, pages=3), PowerLoss(at_us=SECOND + 20_000, tear=0b010)
    )
    assert outcome.fired["torn-cache"] == 1
    assert len(diary.lost[0]) == 1


def test_a_write_through_volume_keeps_all_at_a_power_loss() -> None:
    _, diary = run(
        Write(at_us=SECOND, page=1, pages=3),
        PowerLoss(at_us=SECOND + 20_000),
        setup=Setup(write_through=True),
    )
    assert diary.lost == [{}]


def test_a_clock_jump_makes_timers_due() -> None:
    outcome, _ = run(ClockJump(at_us=SECOND, by_us=20 * SECOND), Write(at_us=SECOND + 9, page=1))
    assert outcome.fired == {"clock-jump": 1}
    assert outcome.findings == ()


def test_a_forced_failover_hands_over_what_the_blob_holds() -> None:
    outcome, diary = run(
        Write(at_us=SECOND, page=1), Zero(at_us=SECOND + 50_000, page=2),
        Failover(at_us=2 * SECOND, forced=True), setup=Setup(fence="break"),
    )  # fmt: skip
    assert outcome.fired["forced-failover"] == 1
    assert [mount.node for mount in diary.mounts] == ["standby"]
    assert diary.mounts[0].image[1] == 1
    assert diary.mounts[0].footer.startswith(b"conectix")
    assert outcome.findings == ()


def test_an_orderly_stop_is_no_kill_and_is_started_again_by_an_operator() -> None:
    outcome, diary = run(Stop(at_us=SECOND))
    assert ("primary", "stopped") in diary.processes
    assert outcome.fired["stop"] == 1
    assert "kill" not in outcome.fired
    assert outcome.findings == ()


def test_a_rotten_page_is_told_and_the_run_goes_on() -> None:
    outcome, _ = run(
        Write(at_us=SECOND, page=1),
        Fault(at_us=2 * SECOND, fault="bit-rot", page=1),
        Fault(at_us=2 * SECOND, fault="bit-rot", page=9),
    )
    assert outcome.fired == {"bit-rot": 1}
    assert outcome.steps_effective == 2


def test_a_step_left_out_moves_no_other_step() -> None:
    """What is armed for a later request still strikes: faults are data, not draws."""
    late = Fault(at_us=3 * SECOND, fault="throttled", on="put")
    steps: tuple[Step, ...] = (Write(at_us=SECOND, page=1), late, Write(at_us=3 * SECOND, page=2))
    for kept in (steps, steps[1:]):
        outcome, _ = run(*kept)
        assert outcome.fired == {"throttled": 1}


def test_drawn_disasters_are_rich_and_find_nothing_in_our_core() -> None:
    outcomes = [run_disaster(draw_schedule(seed)) for seed in range(150)]
    assert [outcome.findings for outcome in outcomes if outcome.findings] == []
    assert sum(outcome.steps_effective for outcome in outcomes) / 150 >= 40
    assert sum(outcome.store_requests for outcome in outcomes) / 150 >= 50
    claims = {claim for outcome in outcomes for claim, count in outcome.exercised.items() if count}
    assert len(claims) == 13
    fired = {fault for outcome in outcomes for fault in outcome.fired}
    rare = {"snapshot-limit", "corrupt-read", "bit-rot", "two-standbys", "torn-cache"}
    assert {kind.name for kind in CATALOGUE} - fired <= rare
