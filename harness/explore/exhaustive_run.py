"""Runs every crash point of a workload and keeps what was seen."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from harness.explore.chunk import Sighting, time_limit
from harness.explore.exhaustive import CrashPoint, crash_points, crash_points_again
from harness.schedule import Fault, Schedule
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.system import System

__all__ = ["Exhausted", "exhaust"]


@dataclass(slots=True)
class Exhausted:
    """What every crash of one workload showed.

    missed: runs whose fault had no effect, which therefore prove nothing; schedules: by the number
    of the run that first showed a cause.
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
    for text, candidate, fault in _runs(schedule, system, pairs=pairs):
        with time_limit(candidate.seed):
            outcome = run_disaster(candidate, system)
        digest.update(str(outcome.digest).encode())
        _take_in(result, text, candidate, fault, outcome)
        result.seconds = time.monotonic() - began
        tell(result)
        if stop():
            result.interrupted = True
            break
    result.digest = digest.hexdigest()
    return result


Run = tuple[str, Schedule, Fault | None]


def _runs(schedule: Schedule, system: System, *, pairs: bool) -> Iterator[Run]:
    yield "no crash", schedule, None
    for first in crash_points(schedule, system):
        yield str(first), first.schedule, _fault_of(first)
        if pairs and first.ending != "lives":
            for second in crash_points_again(first, system):
                yield f"{first}, then {second}", second.schedule, _fault_of(second)


def _fault_of(point: CrashPoint) -> Fault:
    """The last fault of the schedule: that of the crash point itself."""
    faults = [step for step in point.schedule.steps if isinstance(step, Fault)]
    return faults[-1]


def _missed(schedule: Schedule, fault: Fault | None, outcome: Outcome) -> bool:
    """Whether the fault, or one of its name before it, had no effect."""
    if fault is None:
        return False
    alike = [one for one in schedule.steps if isinstance(one, Fault) and one.fault == fault.fault]
    return outcome.fired.get(fault.fault, 0) < len(alike)


def _take_in(
    result: Exhausted, text: str, schedule: Schedule, fault: Fault | None, outcome: Outcome
) -> None:
    number = result.runs
    result.runs += 1
    result.pairs += ", then " in text
    result.missed += _missed(schedule, fault, outcome)
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
