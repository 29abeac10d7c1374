"""The fencing trial: the old primary sleeps through its own replacement, and wakes up."""

from dataclasses import dataclass
from typing import Final

from harness.judge.facts import FenceOutcome
from harness.lab.blob_view import blob_digest
from harness.lab.disaster import Disaster, await_write_in_flight, why_not_counted
from harness.lab.stage import Stage
from harness.lab.waiting import TookTooLong

__all__ = ["FenceRun", "run_fence", "why_it_shows_nothing"]

FAILOVER_S: Final = 180.0
TRYING_S: Final = 20.0
"""How long the woken primary may take to understand; then it is judged as it is."""

SETTLE_S: Final = 2.0
"""After it has understood: whatever it still has under way gets this long to do harm."""


@dataclass(frozen=True, slots=True)
class FenceRun:
    """What happened."""

    outcome: FenceOutcome
    why_not_counted: str


def run_fence(stage: Stage) -> FenceRun:
    """SIGSTOP in mid-write, failover, SIGCONT, and what the old primary could still do."""
    status = await_write_in_flight(stage)
    stage.tell("pausing the primary, failing over")
    stopped_at = stage.volume.pause_primary()
    progress = stage.workload.progress
    waiting = progress.in_flight
    stage.end_looks()
    handover = stage.wait_handover(FAILOVER_S)
    before = blob_digest(stage.blob_url)
    acknowledged = progress.acknowledged
    log = stage.lab.store_log
    logged = log.position() if log is not None else 0
    woken_at = stage.volume.resume_primary()
    stage.timeline.span("faults", "primary paused (SIGSTOP)", stopped_at, woken_at)
    stage.timeline.point("faults", "SIGCONT", woken_at)
    said = _await_understanding(stage)
    stage.lab.stop.sleep(SETTLE_S)
    after = blob_digest(stage.blob_url)
    late_acks = progress.acknowledged - acknowledged
    stage.workload.kill()
    stage.workload.drain()
    refused, applied, lines = _by_the_log(stage, logged)
    if log is None:
        refused = _by_own_word(stage, status.refused if status is not None else None)
    disaster = Disaster(stopped_at, acknowledged, waiting, status)
    outcome = FenceOutcome(
        in_flight_at_stop=(status.in_flight or 0) if status is not None else 0,
        queued_at_stop=max(waiting, (status.queued or 0) if status is not None else 0),
        failover_done=handover.at < woken_at,
        refused_after_resume=refused,
        store_log=log is not None,
        applied_after_resume=applied,
        acked_after_failover=late_acks,
        digest_before=before,
        digest_after=after,
        old_primary_said=said,
        evidence=[stage.keep_text("store-requests-after-resume.txt", lines)],
    )
    return FenceRun(outcome, why_not_counted(stage, disaster) or why_it_shows_nothing(outcome))


def why_it_shows_nothing(outcome: FenceOutcome) -> str:
    """What was in flight may all have reached the service before the stop: staged again then."""
    tried = outcome.refused_after_resume + outcome.applied_after_resume
    if tried or outcome.acked_after_failover:
        return ""
    return "all that was in flight reached the service before the stop: nothing was left to refuse"


def _await_understanding(stage: Stage) -> str:
    """The old primary's own last word; empty if it never understood."""

    def understood() -> bool:
        return stage.first_event("primary", "fenced", "demoted", "refused") is not None

    try:
        stage.until(understood, TRYING_S, "the old primary's understanding that it was replaced")
    except TookTooLong:
        return ""
    event = stage.first_event("primary", "demoted") or stage.first_event(
        "primary", "fenced", "refused"
    )
    assert event is not None
    stage.timeline.point("replication", f"old primary: {event.name}", event.at)
    return event.name


def _by_the_log(stage: Stage, since: int) -> tuple[int, int, str]:
    """Refused and applied changes of the blob after SIGCONT, by the store's own log.

    The new owner writes nothing but its lease by then, so every such request is the old primary's.
    """
    log = stage.lab.store_log
    if log is None:
        return 0, 0, "the service's request log is not at hand\n"
    own = f"{stage.lab.view.container}/{stage.blob}"
    requests = [r for r in log.requests(since) if r.target == own and r.method != "GET"]
    lines = "".join(f"{r.method} {r.target} comp={r.component} {r.status}\n" for r in requests)
    writes = [request for request in requests if request.writes]
    refused = sum(1 for request in writes if request.refused)
    return refused, sum(1 for request in writes if request.status < 300), lines


def _by_own_word(stage: Stage, before: int | None) -> int:
    """Refusals that the old primary counted itself, where the store has no log for us."""
    status = stage.status.take()
    if status is None or status.refused is None:
        return 0
    return status.refused - (before or 0)
