"""The fault catalogue: every fault of a schedule is in it, strikes what it says, and fires."""

from pathlib import Path

import pytest

from harness.checkers.observation import Observer
from harness.schedule import FAULT_NAMES, Fault, FaultName, NodeName, Schedule, Setup, Step, Write
from harness.sim.blob_requests import Answer, PutPages, Request
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.faults import CATALOGUE, CONDITIONS, Armed
from harness.sim.page_blob import PageBlob

PROTECTED_US = 500_000


class Puts(Observer):
    """Counts how often each put was sent, applied and answered, and how."""

    def __init__(self) -> None:
        self.sent_at: list[int] = []
        self.applied_at: list[int] = []
        self.outcomes: list[str] = []

    def sent(self, now_us: int, node: str, request: Request) -> None:
        if node == "primary" and isinstance(request, PutPages) and now_us > PROTECTED_US:
            self.sent_at.append(now_us)

    def applied(
        self, now_us: int, node: str, request: Request, answer: Answer, blob: PageBlob
    ) -> None:
        if isinstance(request, PutPages) and now_us > PROTECTED_US:
            self.applied_at.append(now_us)

    def answered(self, now_us: int, node: str, request: Request, outcome: str) -> None:
        if isinstance(request, PutPages) and now_us > PROTECTED_US:
            self.outcomes.append(outcome)


def struck(
    fault: FaultName, *, for_us: int = 0, node: NodeName = "primary"
) -> tuple[Outcome, Puts]:
    """One write of a protected volume, whose put is struck."""
    puts = Puts()
    at_us = PROTECTED_US + 1
    steps: tuple[Step, ...] = (
        Fault(at_us=at_us, fault=fault, on="put", for_us=for_us, node=node),
        Write(at_us=at_us, page=3),
    )
    if fault in CONDITIONS:
        steps = (Fault(at_us=at_us, fault=fault, for_us=for_us, node=node), steps[1])
    schedule = Schedule(seed=1, setup=Setup(base_pages=2), steps=steps)
    return run_disaster(schedule, observers=[puts]), puts


def test_every_fault_of_a_schedule_is_in_the_catalogue() -> None:
    names = [kind.name for kind in CATALOGUE]
    assert len(names) == len(set(names))
    assert set(FAULT_NAMES) <= set(names)
    assert all(kind.meaning and kind.heals and kind.fires for kind in CATALOGUE)


@pytest.mark.parametrize(
    ("fault", "first_outcome", "applied"),
    [
        ("request-lost", "unknown", 1),
        ("answer-lost", "unknown", 2),
        ("server-error", "unknown", 2),
        ("throttled", "busy", 1),
        ("unreachable", "unreachable", 1),
        ("corrupt-request", "checksum", 1),
        ("slow-request", "done", 1),
    ],
)
def test_a_struck_put_ends_as_told(fault: FaultName, first_outcome: str, applied: int) -> None:
    outcome, puts = struck(fault)
    assert outcome.fired == {fault: 1}
    assert puts.outcomes[0] == first_outcome
    assert len(puts.applied_at) == applied
    assert puts.outcomes[-1] == "done"
    assert outcome.findings == ()
    assert outcome.steps_effective == 2


def test_a_zombie_reaches_the_store_and_does_no_harm() -> None:
    outcome, puts = struck("zombie", for_us=1_000_000)
    assert outcome.fired == {"zombie": 1}
    assert puts.outcomes[:1] == ["unknown"]
    assert outcome.findings == ()


def test_a_doubled_put_is_applied_once_or_twice_and_answered_once() -> None:
    outcome, puts = struck("doubled")
    assert outcome.fired == {"doubled": 1}
    assert len(puts.outcomes) == len(puts.sent_at)
    assert outcome.findings == ()


def test_a_late_copy_comes_late() -> None:
    outcome, puts = struck("late-duplicate", for_us=200_000)
    assert outcome.fired == {"late-duplicate": 1}
    assert puts.outcomes == ["done"]
    assert outcome.findings == ()


@pytest.mark.parametrize("fault", ["store-cut", "store-mute", "store-deaf"])
def test_a_cut_link_loses_requests_until_it_heals(fault: FaultName) -> None:
    outcome, puts = struck(fault, for_us=200_000)
    assert outcome.fired[fault] >= 1
    assert puts.outcomes[0] == "unknown"
    assert puts.outcomes[-1] == "done"
    assert outcome.findings == ()


def test_a_clogged_link_holds_back_and_lets_through() -> None:
    outcome, puts = struck("clogged", for_us=200_000)
    assert outcome.fired["clogged"] >= 1
    assert puts.applied_at[0] >= PROTECTED_US + 200_000
    assert puts.outcomes == ["done"]


def test_a_slow_link_and_a_slow_process_only_delay() -> None:
    plain = struck("bit-rot")[1].outcomes
    delays: tuple[FaultName, ...] = ("slow-link", "slow-process")
    for fault in delays:
        outcome, puts = struck(fault, for_us=250_000)
        assert outcome.fired[fault] >= 1
        assert puts.outcomes == plain == ["done"]


def test_an_armed_fault_strikes_what_it_is_meant_for() -> None:
    armed = Armed(Fault(at_us=0, fault="zombie", on="raise", skip=1, times=2))
    asked = ["put", "raise", "raise", "put", "raise"]
    assert [armed.strikes(kind) for kind in asked] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("media-error", "put"), ("corrupt-read", "put"), ("zombie", "volume-write"),
     ("snapshot-limit", "metadata")],
)  # fmt: skip
def test_a_fault_never_strikes_what_it_makes_no_sense_for(fault: FaultName, kind: str) -> None:
    assert not Armed(Fault(at_us=0, fault=fault)).strikes(kind)


def test_a_fault_that_never_strikes_is_neither_fired_nor_a_step_that_did_something() -> None:
    fault = Fault(at_us=PROTECTED_US, fault="throttled", on="break")
    outcome = run_disaster(Schedule(seed=1, steps=(fault,)))
    assert outcome.fired == {}
    assert outcome.steps_effective == 0


def test_the_documentation_shows_the_catalogue_as_it_is() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "faults.md").read_text("utf-8")
    for kind in CATALOGUE:
        lab = "yes" if kind.lab else "no"
        row = f"| `{kind.name}` | {kind.meaning} | {kind.heals} | {kind.fires} | {lab} |"
        assert row in page
