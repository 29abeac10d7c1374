"""From a sighting to a file: the schedule of the first seed that showed it, shrunk and saved.

The file is a plain schedule, so that the lab, an editor and another mountproof can read it.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.checkers.catalogue import make_checkers
from harness.checkers.checker import Checker
from harness.checkers.finding import Finding
from harness.checkers.observation import NEVER, Observer, StatusSample
from harness.explore.chunk import Sighting, time_limit
from harness.explore.shrinking import RUNS_MAX, SECONDS_MAX, Shrunk, shrink
from harness.schedule import Schedule, dump_schedule
from harness.sim.blob_requests import Request
from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.system import System

__all__ = ["Found", "Shrinker", "Sighting", "finding_in", "gather", "replay_command_line", "save",
           "shrink_finding", "shrinker_of"]  # fmt: skip

LATER_US: Final = 30_000_000
"""A smaller schedule may show its finding so much later, not more: most runs end early so."""
SHRUNK_MAX: Final = 20
"""So many findings of one swarm are shrunk; more than that are one defect with many faces."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a swarm reports it; `steps` of the schedule in `file`, `runs` to shrink it."""

    claim: str
    cause: str
    text: str
    seed: int
    times: int
    steps: int = 0
    runs: int = 0
    file: str = ""


def finding_in(
    schedule: Schedule,
    system: System,
    claim: str,
    cause: str,
    without: Sequence[str] = (),
    until_us: int = NEVER,
) -> Finding | None:
    """Run it, no further than until its finding of this claim and cause; None if it has none."""
    watch = _Watch(make_checkers(without), claim, cause, until_us)
    try:
        with time_limit(schedule.seed):
            outcome = run_disaster(schedule, system, watch.checkers, observers=[watch])
    except _Enough:
        return watch.found
    return watch.find(outcome.findings)


def shrink_finding(
    schedule: Schedule,
    system: System,
    claim: str,
    cause: str,
    without: Sequence[str] = (),
    *,
    runs_max: int = RUNS_MAX,
    seconds_max: float = SECONDS_MAX,
) -> Shrunk:
    """The smallest schedule that still shows this finding, at most a little later."""
    until_us = NEVER

    def shows(candidate: Schedule) -> bool:
        nonlocal until_us
        found = finding_in(candidate, system, claim, cause, without, until_us)
        if found is not None:
            until_us = found.at_us + LATER_US
        return found is not None

    return shrink(schedule, shows, runs_max=runs_max, seconds_max=seconds_max)


class _Enough(BaseException):
    """Ends a run of which enough is known; nobody on the way may take it for an error."""


class _Watch(Observer):
    """Ends a run at the finding that is looked for, or once it is too late for it."""

    def __init__(self, checkers: list[Checker], claim: str, cause: str, until_us: int) -> None:
        self.checkers = checkers
        self.found: Finding | None = None
        self._key = (claim, cause)
        self._own = [checker for checker in checkers if checker.claim == claim]
        self._until_us = until_us

    def find(self, findings: Sequence[Finding]) -> Finding | None:
        """The first of that claim and cause."""
        return next((one for one in findings if (one.claim, one.cause) == self._key), None)

    def sent(self, now_us: int, _node: str, _request: Request) -> None:
        """Look: requests are frequent enough."""
        self._look(now_us)

    def status(self, now_us: int, _sample: StatusSample) -> None:
        """Look: a primary at rest sends little, but is asked every second."""
        self._look(now_us)

    def _look(self, now_us: int) -> None:
        for checker in self._own:
            if checker.findings:
                self.found = self.find(checker.findings)
        if self.found is not None or now_us > self._until_us:
            raise _Enough


Shrinker = Callable[[Schedule, Sighting], Shrunk]


def shrinker_of(system: System) -> Shrinker:
    """Shrinks in this process."""
    return lambda schedule, sighting: shrink_finding(
        schedule, system, sighting.claim, sighting.cause
    )


def gather(
    sightings: Sequence[Sighting],
    shrinker: Shrinker,
    folder: Path | None,
    *,
    schedule_of: Callable[[int], Schedule] = draw_schedule,
    tell: Callable[[str], None] = lambda _text: None,
) -> list[Found]:
    """Shrink each, and save it below `folder` if there is one."""
    found = []
    for number, sighting in enumerate(sightings):
        schedule, runs = schedule_of(sighting.easiest), 0
        if number < SHRUNK_MAX:
            tell(f"shrinking {sighting.claim}: {sighting.cause} (seed {sighting.easiest})")
            smaller = shrinker(schedule, sighting)
            schedule, runs = smaller.schedule, smaller.runs
        found.append(_found(sighting, schedule, runs, folder))
    return found


def _found(sighting: Sighting, schedule: Schedule, runs: int, folder: Path | None) -> Found:
    return Found(
        claim=sighting.claim, cause=sighting.cause, text=sighting.text, seed=sighting.seed,
        times=sighting.times, steps=len(schedule.steps), runs=runs,
        file=save(schedule, folder, f"{sighting.claim}-{sighting.cause}"),
    )  # fmt: skip


def save(schedule: Schedule, folder: Path | None, name: str) -> str:
    """Write a schedule below a folder; where it is, or empty without a folder."""
    if folder is None:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
    path.write_bytes(dump_schedule(schedule))
    return str(path)


def replay_command_line(file: str, core: str = "", bug: str = "") -> str:
    """What to type to see it again."""
    options = (f" --core {core}" if core else "") + (f" --planted {bug}" if bug else "")
    return f"mountproof replay {file}{options}"
