"""Every crash there is, for one workload: at each single store request, before, after and unknown.

A plain run tells which requests each node sends, and when. Then one run for each of them and each
of nine ways: the request is lost, or applied with its answer lost, or applied late (unknown), and
its node lives on, dies and comes back, or dies for good (the standby takes over). A run repeats
the plain one up to the moment of its fault, so the request struck is the request meant; a fault
that did not fire is counted as missed and never as covered. Pairs of crashes are made in
exhaustive_pairs.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from harness.checkers.observation import Observer
from harness.schedule import Failover, Fault, FaultName, Kill, NodeName, Schedule, Start, Step
from harness.sim.blob_requests import Request
from harness.sim.disaster import run_disaster
from harness.sim.system import System

__all__ = ["CrashPoint", "Sent", "crash_points", "requests_of", "with_crash"]

Fate = Literal["before", "after", "unknown"]
Ending = Literal["lives", "restarts", "fails-over"]

FATES: Final[dict[Fate, FaultName]] = {
    "before": "request-lost", "after": "answer-lost", "unknown": "zombie",
}  # fmt: skip
BACK_US: Final = 1_000_000
"""How long a node that restarts is away."""
EXPIRY_US: Final = 16_000_000
"""After so long the lease of a dead node has expired, and another can follow it."""
AMID_US: Final = 15_000
"""So long after someone takes up the work again a zombie lands: amid the first requests."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: who sent it when, and of which kind it is."""

    node: NodeName
    at_us: int
    kind: str


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One run of the explorer; `request` counts those of its node from 0, `at_us` is when."""

    node: NodeName
    request: int
    at_us: int
    kind: str
    fate: Fate
    ending: Ending
    schedule: Schedule

    def __str__(self) -> str:
        """In words, for a list of runs."""
        return f"{self.node} {self.ending} {self.fate} request {self.request} ({self.kind})"


class _Requests(Observer):
    """Notes every request that is sent, and when outcomes are given up as unknown."""

    def __init__(self) -> None:
        self.sent_list: list[Sent] = []
        self.given_up: list[tuple[str, int]] = []

    def sent(self, now_us: int, node: str, request: Request) -> None:
        """Note it."""
        name: NodeName = msgspec.convert(node, NodeName)
        self.sent_list.append(Sent(name, now_us, type(request).__name__))

    def answered(self, now_us: int, node: str, _request: Request, outcome: str) -> None:
        """Note it if nothing is known."""
        if outcome == "unknown":
            self.given_up.append((node, now_us))


def requests_of(schedule: Schedule, system: System) -> list[Sent]:
    """All requests that a run of the schedule sends to the store, in order."""
    watcher = _Requests()
    run_disaster(schedule, system, [], observers=[watcher])
    return watcher.sent_list


def crash_points(
    schedule: Schedule,
    system: System,
    *,
    follows: Callable[[Sent], bool] = lambda _request: True,
    crashes_only: bool = False,
) -> Iterator[CrashPoint]:
    """Every crash point of a workload, at those of its requests that are asked for."""
    sent = requests_of(schedule, system)
    counts: dict[NodeName, int] = {}
    for request in sent:
        number = counts.get(request.node, 0)
        counts[request.node] = number + 1
        if follows(request):
            point = _Point(schedule, system, sent, request, number)
            yield from point.ways(crashes_only=crashes_only)


def with_crash(schedule: Schedule, steps: tuple[Step, ...]) -> Schedule:
    """The schedule with more steps, each before those of its time that were there."""
    merged = sorted([*steps, *schedule.steps], key=lambda step: step.at_us)
    return msgspec.structs.replace(schedule, steps=tuple(merged))


@dataclass(frozen=True, slots=True)
class _Point:
    """One request of a plain run; `number` counts those of its node."""

    schedule: Schedule
    system: System
    sent: list[Sent]
    request: Sent
    number: int

    def ways(self, *, crashes_only: bool) -> Iterator[CrashPoint]:
        """Each fate with each ending."""
        endings: tuple[Ending, ...] = ("restarts", "fails-over")
        if not crashes_only:
            endings = ("lives", *endings)
        for fate in FATES:
            for ending in endings:
                yield CrashPoint(
                    self.request.node, self.number, self.request.at_us, self.request.kind, fate,
                    ending, with_crash(self.schedule, self._steps(fate, ending)),
                )  # fmt: skip

    def _steps(self, fate: Fate, ending: Ending) -> tuple[Step, ...]:
        """Steps that strike the request, and what becomes of its node."""
        kill = Kill(at_us=self.request.at_us + 1, node=self.request.node)
        if ending == "lives":
            late_us = self._given_up_us() if fate == "unknown" else 0
            return (self._fault(fate, late_us),)
        if ending == "restarts":
            back = Start(at_us=kill.at_us + BACK_US, node=self.request.node)
            return (self._fault(fate, BACK_US), kill, back)
        heir = _heir(self.request.node, kill.at_us + EXPIRY_US, self.schedule.setup.standbys)
        return (self._fault(fate, EXPIRY_US), kill, heir)

    def _fault(self, fate: Fate, resumed_us: int) -> Fault:
        """The fault alone; what is late lands soon after the work was resumed."""
        node, at_us = self.request.node, self.request.at_us
        own = [one.at_us for one in self.sent if one.node == node]
        armed_us = max(0, at_us - 1)
        while armed_us and armed_us in own:
            armed_us -= 1  # at the very moment of a request, before or after would be a guess
        skip = (
            sum(sent_us > armed_us for sent_us in own[: self.number]) if armed_us else self.number
        )
        late_us = resumed_us + AMID_US if fate == "unknown" else 0
        return Fault(at_us=armed_us, fault=FATES[fate], node=node, skip=skip, for_us=late_us)

    def _given_up_us(self) -> int:
        """How long the node waits for the answer of this request until it goes on without."""
        watcher = _Requests()
        lost = with_crash(self.schedule, (self._fault("before", 0),))
        run_disaster(lost, self.system, [], observers=[watcher])
        times = [at_us for node, at_us in watcher.given_up if node == self.request.node]
        later = [at_us - self.request.at_us for at_us in times if at_us > self.request.at_us]
        return later[0] if later else 0


def _heir(dead: NodeName, at_us: int, standbys: int) -> Step:
    """Who goes on where a node is dead for good: a standby, or the primary if none is left."""
    if dead == "primary":
        return Failover(at_us=at_us, node="standby")
    if standbys == 1:
        return Start(at_us=at_us, node="primary")
    return Failover(at_us=at_us, node="standby-2" if dead == "standby" else "standby")
