"""The disaster itself: the instant, the kill, and what is certain about it afterwards."""

import contextlib
import random
from dataclasses import dataclass
from typing import Final

from harness.adapter import SystemStatus
from harness.lab.stage import Stage
from harness.lab.waiting import TookTooLong

__all__ = ["Disaster", "kill_primary_site", "why_not_counted"]

IN_FLIGHT_WAIT_S: Final = 60.0
STRIKE_DELAY_S_MAX: Final = 0.002
"""The kill falls at a random instant of a write's life: an fsync takes 3 to 50 ms here."""


@dataclass(frozen=True, slots=True)
class Disaster:
    """What was known at the instant `at` (monotonic seconds)."""

    at: float
    acknowledged: int
    guest_in_flight: int
    """Writes of the guest begun and not acknowledged: counted after the port was drained."""
    status: SystemStatus | None
    """The system's last word before."""


def kill_primary_site(stage: Stage, after_s: float | None = None) -> Disaster:
    """SIGKILL engine and guest with a write in flight; then take volume and state out of reach.

    With `after_s` the kill comes that much later, whatever the guest does then.
    """
    stage.tell("killing the primary site")
    status = stage.status.take() if after_s is None else stage.status.last
    killed: list[float] = []

    def kill() -> None:
        killed.append(stage.volume.kill_primary())
        stage.workload.kill()

    if after_s is None:
        dice = random.Random(stage.plan.seed)
        stage.workload.strike_in_flight(dice.uniform(0.0, STRIKE_DELAY_S_MAX), kill)
        stage.until(lambda: len(killed) > 0, IN_FLIGHT_WAIT_S, "a write in flight to kill in")
    else:
        stage.lab.stop.sleep(after_s)
        kill()
    at = killed[0]
    stage.timeline.point("faults", "SIGKILL: engine primary and guest", at)
    stage.workload.drain()
    stage.end_looks()
    stage.volume.take_primary_away()
    stage.timeline.point("faults", "primary's volume and state out of reach")
    progress = stage.workload.progress
    return Disaster(at, progress.acknowledged, progress.in_flight, status)


def await_write_in_flight(stage: Stage) -> SystemStatus | None:
    """Wait for an instant with a write in flight; returns the status of that instant.

    In flight: a write of the guest, and by the system's status a request to the store.
    """
    progress = stage.workload.progress
    latest: list[SystemStatus | None] = [stage.status.last]

    def now() -> bool:
        latest[0] = stage.status.take()
        busy = latest[0] is not None and (latest[0].in_flight or 0) > 0
        return busy and progress.in_flight > 0

    # In vain, the disaster comes all the same; the trial will not count, and say why.
    with contextlib.suppress(TookTooLong):
        stage.lab.stop.until(now, IN_FLIGHT_WAIT_S, "a write in flight", poll_s=0.001)
    return latest[0]


def why_not_counted(stage: Stage, disaster: Disaster) -> str:
    """Why this disaster says too little to count; empty if it counts."""
    least = stage.plan.acknowledgements_min
    if disaster.acknowledged < least:
        return f"only {disaster.acknowledged} acknowledged writes, {least} are needed"
    if disaster.guest_in_flight < 1 and not stage.plan.cut:
        return "no write in flight at the kill"
    return ""
