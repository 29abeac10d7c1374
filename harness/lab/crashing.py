"""The crash trial: the replicator alone dies in mid-write and comes back; the guest lives on."""

import random
from dataclasses import dataclass
from typing import Final

from harness.judge.facts import CrashOutcome
from harness.lab.designated import Target
from harness.lab.disaster import IN_FLIGHT_WAIT_S, STRIKE_DELAY_S_MAX, Disaster
from harness.lab.stage import Stage

__all__ = ["Crash", "await_protection", "await_resync", "crash_outcome", "crash_replicator"]

RESYNC: Final = "resync"
RESYNC_BEGINS_S: Final = 45.0
RESYNC_POLL_S: Final = 0.002
CUT_DELAY_S_MAX: Final = 0.06


@dataclass(slots=True)
class Crash:
    """The crash, and what came of it so far."""

    disaster: Disaster
    restarted_at: float
    resync_seen: bool = False
    protected_at: float | None = None


def crash_replicator(stage: Stage) -> Crash:
    """SIGKILL the primary process with a write of the guest in flight; start it again."""
    stage.tell("killing the replicator")
    status = stage.status.take()
    killed: list[float] = []
    dice = random.Random(stage.plan.seed)
    stage.workload.strike_in_flight(
        dice.uniform(0.0, STRIKE_DELAY_S_MAX), lambda: killed.append(stage.volume.kill_primary())
    )
    stage.until(lambda: len(killed) > 0, IN_FLIGHT_WAIT_S, "a write in flight to crash in")
    progress = stage.workload.progress
    disaster = Disaster(killed[0], progress.acknowledged, progress.in_flight, status)
    restarted_at = stage.volume.restart_primary()
    stage.timeline.span("faults", "replicator dead", killed[0], restarted_at)
    return Crash(disaster, restarted_at)


def await_resync(stage: Stage, crash: Crash) -> float:
    """Until the blob says that it is being resynchronised; how long after that to strike.

    A resynchronisation that was over before anybody looked is missed: then it returns as well.
    """
    stage.tell("awaiting the resynchronisation")

    def begun() -> bool:
        crash.resync_seen = stage.disk.now().wording.unfinished == RESYNC
        return crash.resync_seen or _protects(stage, crash)

    stage.lab.stop.until(begun, RESYNC_BEGINS_S, f"{stage.plan.name}: resync", RESYNC_POLL_S)
    return random.Random(stage.plan.seed + 1).uniform(0.0, CUT_DELAY_S_MAX)


def await_protection(stage: Stage, crash: Crash) -> None:
    """Until the primary that came back protects again."""
    crash.protected_at = stage.await_protection(since=crash.disaster.at)
    stage.timeline.span("replication", "resync", crash.restarted_at, crash.protected_at)
    stage.timeline.point("replication", "protected again", crash.protected_at)


def crash_outcome(stage: Stage, crash: Crash, at_kill: Target, mounted: str) -> CrashOutcome:
    """Everything, after the recovery; `mounted` is the snapshot that was handed over."""
    began = crash.disaster.at
    protected = crash.protected_at
    return CrashOutcome(
        acked_before_crash=crash.disaster.acknowledged,
        in_flight_at_crash=crash.disaster.guest_in_flight,
        restarted_after_s=round(crash.restarted_at - began, 3),
        resync_seen=crash.resync_seen,
        protected_after_s=None if protected is None else round(protected - began, 3),
        cut=bool(stage.plan.cut),
        unfinished_at_kill=at_kill.wording.unfinished,
        pinned=at_kill.wording.pinned,
        mounted=mounted,
    )


def _protects(stage: Stage, crash: Crash) -> bool:
    return stage.first_event("primary", "protected", since=crash.disaster.at) is not None
