"""`mountproof demo`: a planted bug is broken, shrunk and told, in half a minute.

It needs nothing but the Python packages: no QEMU, no blob service, no network.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from harness.command_line.core_options import AsJson, Out, writable
from harness.command_line.replay import write_page
from harness.errors import Inconclusive
from harness.explore.chunk import SEEDS_PER_SWARM, run_seed
from harness.explore.harvest import replay_command_line, save, shrink_finding
from harness.explore.planting import find_bug, system_under_test
from harness.explore.story import Tale, tale_lines, tell_tale
from harness.schedule import Schedule
from harness.sim.drawing import draw_schedule
from harness.sim.system import System

__all__ = ["register"]

BUG: Final = "resync-without-a-recovery-point"
DISASTERS_MAX: Final = 5_000


class Demonstration(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    bug: str
    meaning: str
    claim: str
    cause: str
    disasters: int
    steps_drawn: int
    steps: int
    runs_to_shrink: int
    seconds: float
    schedule: str
    page: str
    story: list[str]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo_command)


def demo_command(
    planted: Annotated[str, typer.Option(metavar="BUG", help="Another planted bug.")] = BUG,
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """Plant a bug in the replication protocol, have a swarm find it, shrink it and tell it.

    Exit codes: 0 shown, 2 the bug was not found, 64 there is no such bug.
    """
    bug = find_bug(planted)
    folder = Path(tempfile.mkdtemp(prefix="mountproof-demo-")) if out is None else writable(out)
    _say(f"Planted in the replication core: {bug.name}. {bug.meaning}")
    with system_under_test(bug=planted) as system:
        shown = _show(planted, bug.claim, system, folder)
    if as_json:
        shown = msgspec.structs.replace(shown, meaning=bug.meaning)
        print(msgspec.json.encode(shown).decode())
        return 0
    print("\n".join(["", *shown.story, ""]))
    print(f"The timeline: {shown.page}")
    print(f"Again:        {replay_command_line(shown.schedule, bug=planted)}")
    print(f"Found by disaster {shown.disasters}, {shown.seconds:.1f} s in all.")
    return 0


def _show(bug: str, claim: str, system: System, folder: Path) -> Demonstration:
    began = time.monotonic()
    number, drawn, tale = _find(claim, system)
    finding = tale.finding
    assert finding is not None, "the disaster that was searched for has a finding"
    steps_drawn = len(drawn.steps)
    _say(f"Disaster {number} ({steps_drawn} steps) violates {finding.claim}. Shrinking it ...")
    smaller = shrink_finding(drawn, system, finding.claim, finding.cause)
    tale = tell_tale(smaller.schedule, system, finding.claim)
    steps = len(smaller.schedule.steps)
    _say(f"{steps} steps are left, after {smaller.runs} runs in {smaller.seconds:.1f} s.")
    schedule = save(smaller.schedule, folder, bug)
    page = folder / f"{bug}.html"
    write_page(page, tale, command=replay_command_line(schedule, bug=bug))
    return Demonstration(
        bug=bug, meaning="", claim=finding.claim, cause=finding.cause, disasters=number,
        steps_drawn=steps_drawn, steps=steps, runs_to_shrink=smaller.runs,
        seconds=round(time.monotonic() - began, 3), schedule=schedule, page=str(page),
        story=tale_lines(tale),
    )  # fmt: skip


def _find(claim: str, system: System) -> tuple[int, Schedule, Tale]:
    """Draw disasters until one violates the claim."""
    for number in range(1, DISASTERS_MAX + 1):
        seed = SEEDS_PER_SWARM + number - 1
        outcome = run_seed(seed, system)
        if any(finding.claim == claim for finding in outcome.findings):
            schedule = draw_schedule(seed)
            return number, schedule, tell_tale(schedule, system, claim)
    raise Inconclusive(f"the bug was not caught by {DISASTERS_MAX} disasters under {claim}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
