"""Runs every crash point of a workload and keeps what was seen."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from harness.checkers.observation import Observer
from harness.explore.chunk import Sighting, time_limit
from harness.explore.exhaustive import FATES, CrashPoint, crash_points
from harness.explore.exhaustive_pairs import crash_points_again
from harness.schedule import Schedule
from harness.sim.blob_requests import Request
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.system import System

__all__ = ["Aim", "Exhausted", "exhaust"]


@dataclass(slots=True)
class Exhausted:
    """What every crash of one workload showed.

    missed: runs that did not strike the request that was meant, or killed nobody, and therefore
    prove nothing; schedules: by the number of the run that first showed a cause.
    """

    workload: str
    runs: int = 0
    pairs: int = 0
    missed: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    exercised: dict[str, int] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    sightings: dict[tuple[str, str], Sighting] = field(default_factory=dict)
    schedules: dict[int, Schedule] = field(default_factory=dict)
    digest: str = ""


def exhaust(
    workload: str,
    schedule: Schedule,
    system: System,
    *,
    pairs: bool = False,
    tell: Callable[[Exhausted], None] = lambda _result: None,
    stop: Callable[[], bool] = lambda: False,
) -> Exhausted:
    """Run the workload plainly, then with every crash; with `pairs`, with every two crashes."""
    result = Exhausted(workload)
    began = time.monotonic()
    digest = hashlib.blake2b(digest_size=16)
    for points in _runs(schedule, system, pairs=pairs):
        candidate = points[-1].schedule if points else schedule
        aim = Aim(points)
        with time_limit(candidate.seed):
            outcome = run_disaster(candidate, system, observers=[aim])
        digest.update(str(outcome.digest).encode())
        result.missed += aim.missed()
        _take_in(result, points, candidate, outcome)
        result.seconds = time.monotonic() - began
        tell(result)
        if stop():
            result.interrupted = True
            break
    result.digest = digest.hexdigest()
    return result


def _runs(schedule: Schedule, system: System, *, pairs: bool) -> Iterator[tuple[CrashPoint, ...]]:
    """No crash, each crash, each pair of them; the last one's schedule has the whole run."""
    yield ()
    for first in crash_points(schedule, system):
        yield (first,)
        if pairs and first.ending != "lives":
            for second in crash_points_again(first, system):
                yield first, second


class Aim(Observer):
    """Sees whether a run struck the very requests that were meant, and killed who sent them."""

    def __init__(self, points: tuple[CrashPoint, ...]) -> None:
        self._points = points
        self._sent: dict[str, list[tuple[int, str]]] = {}
        self._fired: list[tuple[str, str, int]] = []

    def sent(self, now_us: int, node: str, request: Request) -> None:
        """Number the requests of each node."""
        self._sent.setdefault(node, []).append((now_us, type(request).__name__))

    def fault(self, now_us: int, name: str, node: str) -> None:
        """Note it: a request that is lost is lost at once, the other fates show later."""
        self._fired.append((name, node, now_us))

    def missed(self) -> bool:
        """Whether any of the crashes was another one than was meant, or none."""
        return not all(self._hit(point) for point in self._points)

    def _hit(self, point: CrashPoint) -> bool:
        sent = self._sent.get(point.node, ())
        if len(sent) <= point.request or sent[point.request] != (point.at_us, point.kind):
            return False
        if point.ending != "lives" and ("kill", point.node, point.at_us + 1) not in self._fired:
            return False
        if point.fate == "before":
            return ("request-lost", point.node, point.at_us) in self._fired
        alike = [one for one in self._points if one.fate == point.fate]
        fired = [one for one in self._fired if one[0] == FATES[point.fate]]
        return len(fired) >= len(alike)


def _take_in(
    result: Exhausted, points: tuple[CrashPoint, ...], schedule: Schedule, outcome: Outcome
) -> None:
    text = ", then ".join(map(str, points)) or "no crash"
    number = result.runs
    result.runs += 1
    result.pairs += len(points) == 2
    for into, more in ((result.exercised, outcome.exercised), (result.fired, outcome.fired)):
        for name, times in more.items():
            into[name] = into.get(name, 0) + times
    for finding in outcome.findings:
        key = (finding.claim, finding.cause)
        sighting = Sighting(
            seed=number, claim=finding.claim, cause=finding.cause, text=f"{finding.text} [{text}]",
            easiest=number, weight=len(schedule.steps),
        )  # fmt: skip
        known = result.sightings.get(key)
        if known is None:
            result.schedules[number] = schedule
            result.sightings[key] = sighting
        else:
            merged = known.merged(sighting)
            result.sightings[key] = msgspec.structs.replace(merged, easiest=known.easiest)
