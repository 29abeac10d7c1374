"""Runs one disaster: a schedule, a system under test, checkers that watch every event.

First the storm: the schedule's steps, safety alone. Then the calm (calm.py): a core is healed for
good, the rest stays broken, and everything must come to rest within a bound.
"""

import gc
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.checkers.catalogue import make_checkers
from harness.checkers.checker import Checker
from harness.checkers.finding import Finding
from harness.checkers.observation import Observer
from harness.checkers.panel import Panel
from harness.errors import MountproofError
from harness.schedule import Schedule
from harness.sim.calm import Calm
from harness.sim.script import Script
from harness.sim.site import LIVE_US, Site
from harness.sim.system import REFERENCE, System
from harness.sim.world import UNTIL_STOPPED, CoreError, Story, World

__all__ = ["CORE_ERROR", "ObserverError", "Outcome", "Story", "run_disaster", "trace_disaster"]

CORE_ERROR: Final = "core-error"
"""Claim of a finding that says: the system under test raised, hangs or answers nonsense."""

AFTERMATH_US: Final = 300_000
"""So long after the last step the storm is over."""


class ObserverError(MountproofError):
    """Who watched a disaster broke down: an error of ours, which says nothing of the system."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    findings: in the order found; exercised: claim to the number of non-trivial checks; fired:
    fault to the number of real effects; digest: of everything that happened, in 64 bits;
    steps_effective: steps that changed something; waiting_for: what never came to rest.
    """

    findings: tuple[Finding, ...]
    exercised: dict[str, int]
    fired: dict[str, int]
    digest: int
    events: int
    store_requests: int
    steps_effective: int
    simulated_us: int
    waiting_for: str


def run_disaster(
    schedule: Schedule,
    system: System = REFERENCE,
    checkers: Sequence[Checker] | None = None,
    *,
    story: Story | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """Run it to its end; `checkers` None: all of them; `observers` watch without judging."""
    outcome, _ = trace_disaster(schedule, system, checkers, story=story, observers=observers)
    return outcome


def trace_disaster(
    schedule: Schedule,
    system: System = REFERENCE,
    checkers: Sequence[Checker] | None = None,
    *,
    story: Story | None = None,
    observers: Sequence[Observer] = (),
) -> tuple[Outcome, list[int]]:
    """As `run_disaster`, with the trace of which the digest is made."""
    panel = Panel(make_checkers() if checkers is None else checkers)
    world = World(schedule.seed, [panel, *observers], story)
    collects = gc.isenabled()
    gc.disable()  # a run makes little garbage that has to be searched for
    try:
        effective, waiting_for, errors = _run(schedule, system, world)
        world.stop()
        outcome = Outcome(
            findings=(*panel.findings, *errors), exercised=panel.exercised, fired=world.fired,
            digest=world.digest(), events=world.events, store_requests=world.requests,
            steps_effective=effective, simulated_us=world.now_us, waiting_for=waiting_for,
        )  # fmt: skip
    finally:
        if collects:
            gc.enable()
    return outcome, world.trace


def _run(schedule: Schedule, system: System, world: World) -> tuple[int, str, tuple[Finding, ...]]:
    """The run itself; whatever a foreign core does is a finding, what our observers do is none."""
    site = script = None
    try:
        site = Site(schedule, system, world)
        script = Script(schedule, site)
        waiting_for = _storm_and_calm(site, script)
        effective = script.effective
    except CoreError as error:
        return 0, "", (_core_error(world, error.cause, str(error)),)
    except Exception as error:
        _blame_observer(world, error)
        if system is REFERENCE:
            raise
        kind = type(error).__name__
        what = f"asked for what cannot be done: {kind}: {error!s:.200}"
        return 0, "", (_core_error(world, f"impossible-{kind}", what),)
    finally:
        if site is not None:
            site.dissolve()
        if script is not None:
            script.dissolve()
    return effective, waiting_for, ()


def _storm_and_calm(site: Site, script: Script) -> str:
    world = site.world
    for name in site.nodes:  # after the steps at 0, so that a fault can strike the first request
        world.at(0, site.come_up, name)
    world.run(world.last_step_us + AFTERMATH_US)
    calm = Calm(script, site, LIVE_US)
    world.run(UNTIL_STOPPED)
    primary = site.nodes["primary"].process
    protects = primary is not None and not site.mounted and site.sample(primary)
    volume = site.volume.pages if protects else None
    for observer in world.watch.ended:
        observer.ended(world.now_us, calm.waiting_for, site.service.blob, volume)
    return calm.waiting_for


def _blame_observer(world: World, error: Exception) -> None:
    """Raise ObserverError if it was one of ours that broke down, and not the system under test."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        one = frame.f_locals.get("self")
        if isinstance(one, Observer) or (one is not None and one is world.story):
            hook = f"{type(one).__name__}.{frame.f_code.co_name}"
            raise ObserverError(
                f"{hook} broke down {world.now_us} us after the start of the disaster of seed"
                f" {world.seed}: {type(error).__name__}: {error!s:.200}"
            ) from error


def _core_error(world: World, cause: str, text: str) -> Finding:
    return Finding(CORE_ERROR, f"{CORE_ERROR}-{cause}", world.now_us, text)
