"""From a sighting to a file: the schedule of the first seed that showed it, shrunk and saved.

The file is a plain schedule, so that the lab, an editor and another mountproof can read it.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.checkers.catalogue import make_checkers
from harness.checkers.finding import Finding
from harness.explore.chunk import Sighting, time_limit
from harness.explore.shrinking import Shrunk, shrink
from harness.schedule import Schedule, dump_schedule
from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.system import System

__all__ = ["Found", "finding_in", "gather", "replay_command_line", "shrink_finding"]

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
    schedule: Schedule, system: System, claim: str, cause: str, without: Sequence[str] = ()
) -> Finding | None:
    """Run it; the finding of this claim and cause, if it shows it."""
    with time_limit(schedule.seed):
        outcome = run_disaster(schedule, system, make_checkers(without))
    for finding in outcome.findings:
        if (finding.claim, finding.cause) == (claim, cause):
            return finding
    return None


def shrink_finding(
    schedule: Schedule, system: System, claim: str, cause: str, without: Sequence[str] = ()
) -> Shrunk:
    """The smallest schedule that still shows this finding."""

    def shows(candidate: Schedule) -> bool:
        return finding_in(candidate, system, claim, cause, without) is not None

    return shrink(schedule, shows)


def gather(
    sightings: Sequence[Sighting],
    system: System,
    folder: Path | None,
    *,
    without: Sequence[str] = (),
    schedule_of: Callable[[int], Schedule] = draw_schedule,
    tell: Callable[[str], None] = lambda _text: None,
) -> list[Found]:
    """Shrink each, and save it below `folder` if there is one."""
    return [
        _gather_one(sighting, system, folder, without, schedule_of, number < SHRUNK_MAX, tell)
        for number, sighting in enumerate(sightings)
    ]


def _gather_one(
    sighting: Sighting,
    system: System,
    folder: Path | None,
    without: Sequence[str],
    schedule_of: Callable[[int], Schedule],
    shrunk: bool,
    tell: Callable[[str], None],
) -> Found:
    schedule, runs = schedule_of(sighting.seed), 0
    if shrunk:
        tell(f"shrinking {sighting.claim}: {sighting.cause} (seed {sighting.seed})")
        smaller = shrink_finding(schedule, system, sighting.claim, sighting.cause, without)
        schedule, runs = smaller.schedule, smaller.runs
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
