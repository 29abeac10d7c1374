"""One trial from start to end: set the stage, strike, recover, and write down what was measured."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from harness.disk.proof import ExpectedLedger
from harness.disk.source import open_disk
from harness.errors import MountproofError
from harness.evidence import ProofStep, Trial
from harness.judge.facts import ConsumableSample, RawImageJudgement, TrialFacts, flat
from harness.judge.raw_image import judge_recovered
from harness.lab.blob_view import disk_chunks
from harness.lab.crashing import (
    await_protection,
    await_resync,
    crash_outcome,
    crash_replicator,
)
from harness.lab.direct import measure_direct_write
from harness.lab.disaster import Disaster, kill_primary_site, why_not_counted
from harness.lab.fence import run_fence
from harness.lab.plan import TrialPlan
from harness.lab.points import PointsLedger
from harness.lab.properties import PropertyReader
from harness.lab.recovery import (
    Recovery,
    boot_outcome,
    kill_sample,
    ledger_outcome,
    recover,
    rto_figures,
)
from harness.lab.resizing import ResizeRun
from harness.lab.stage import RAW_SPAN_BYTES, RAW_VOLUME_ID, Lab, Stage
from harness.lab.workload import LedgerProgress, RawProgress
from harness.oracle.loss import LossRule
from harness.redaction import redact

__all__ = ["TrialOutcome", "run_trial"]

TRACEBACK: Final = "internal-error.txt"
ENTRIES_AFTER: Final = 20
"""Writes acknowledged between a point, a crash and the site's death, at least."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What the judges get, and what the reports show.

    `in_vain`: all parts did their duty, but the disaster's preconditions did not hold, so it may be
    staged again. A part that failed is no such case: trying until it works would hide it.
    """

    facts: TrialFacts
    trial: Trial
    in_vain: bool
    internal_error: str = ""
    """Path of the traceback, if the trial ended in a defect of ours."""


def run_trial(lab: Lab, plan: TrialPlan) -> TrialOutcome:
    """Stage one disaster. A trial that fails is an outcome that does not count, with its reason."""
    steps: list[ProofStep] = []
    with Stage(lab, plan) as stage:
        failed, broken = True, ""
        try:
            facts = _ACTS[plan.kind](stage, steps)
            failed = False
        except MountproofError as error:
            facts = _failed(plan, str(error))
        except Exception as error:  # noqa: BLE001 - one broken trial must not take the run with it
            facts = _failed(plan, f"internal error: {type(error).__name__}: {error}")
            kept = stage.keep_text(TRACEBACK, "".join(traceback.format_exception(error)))
            # What falls while everything is being stopped need not be a defect.
            broken = "" if lab.stop.is_set else kept
        stage.keep_logs()
        stage.tell("done" if facts.counted else f"does not count: {facts.why_not_counted}")
        facts, trial = _written(stage, facts, steps)
        return TrialOutcome(facts, trial, not facts.counted and not failed, broken)


def _failed(plan: TrialPlan, reason: str) -> TrialFacts:
    return TrialFacts(
        name=plan.name,
        mode=plan.mode,
        order=plan.order,
        kind=plan.kind,
        counted=False,
        why_not_counted=redact(reason),
    )


def _kill(stage: Stage, steps: list[ProofStep]) -> TrialFacts:
    """Kill the primary site in mid-write and recover, with a ledger or with raw pages."""
    stage.set_up()
    properties = PropertyReader(stage)
    properties.read("protected")
    stage.await_room()
    disaster = kill_primary_site(stage)
    facts, recovery = _recovered(stage, steps, disaster)
    properties.read("handed over")
    stage.volume.stop()
    return msgspec.structs.replace(
        facts,
        direct_write=measure_direct_write(stage, int(recovery.fact("data_bytes") or 0)),
        properties=properties.outcome(),
    )


def _resize(stage: Stage, steps: list[ProofStep]) -> TrialFacts:
    """Grow and shrink under load, then kill the site; or kill it in the midst of a resize."""
    stage.set_up()
    plan, points, properties = stage.plan, PointsLedger(stage), PropertyReader(stage)
    resizes = ResizeRun(stage, points)
    properties.read("protected")
    points.ask()
    if plan.cut != "grow":
        resizes.grow(plan.grown_bytes)
        properties.read("grown")
    if not plan.cut:
        resizes.shrink(plan.shrunk_bytes)
        properties.read("shrunk")
    stage.await_room()
    if plan.cut in ("grow", "shrink"):
        to_bytes = plan.grown_bytes if plan.cut == "grow" else plan.shrunk_bytes
        resizes.begin(plan.cut, to_bytes)
        disaster = kill_primary_site(stage, 0.0)
    else:
        disaster = kill_primary_site(stage)
    at_kill = stage.disk.now().wording.unfinished
    facts, recovery = _recovered(stage, steps, disaster)
    if not plan.cut:
        properties.read("handed over")
    why = facts.why_not_counted
    if plan.cut and not at_kill:
        why = why or f"the {plan.cut} was over, or had not begun, when the site was killed"
    return msgspec.structs.replace(
        facts,
        counted=not why,
        why_not_counted=why,
        resize=resizes.outcome(recovery.handover.size_bytes, at_kill),
        points=points.check(),
        properties=properties.outcome(),
    )


def _crash(stage: Stage, steps: list[ProofStep]) -> TrialFacts:
    """Kill the replicator alone, let it come back, and kill the site after or during its resync."""
    stage.set_up()
    points = PointsLedger(stage)
    points.ask()
    stage.work(ENTRIES_AFTER)
    stage.await_room()
    crash = crash_replicator(stage)
    strike_s = await_resync(stage, crash)
    unprotected_since = None
    if stage.plan.cut:
        disaster = kill_primary_site(stage, strike_s)
        unprotected_since = crash.disaster.at
    else:
        await_protection(stage, crash)
        stage.work(ENTRIES_AFTER)
        disaster = kill_primary_site(stage)
    at_kill = stage.disk.now()
    facts, recovery = _recovered(stage, steps, disaster, unprotected_since)
    why = facts.why_not_counted
    if stage.plan.cut and not at_kill.wording.unfinished:
        why = why or "the resynchronisation was over when the site was killed"
    return msgspec.structs.replace(
        facts,
        counted=not why,
        why_not_counted=why,
        crash=crash_outcome(stage, crash, at_kill, recovery.handover.snapshot),
        points=points.check(),
    )


def _recovered(
    stage: Stage,
    steps: list[ProofStep],
    disaster: Disaster,
    unprotected_since: float | None = None,
) -> tuple[TrialFacts, Recovery]:
    """Fail over, prove, and tell what every kill tells.

    What was acknowledged after `unprotected_since` is owed by nobody.
    """
    plan = stage.plan
    expected = _owed_ledger(stage, unprotected_since)
    recovery = recover(stage, expected)
    steps.extend(recovery.proof.steps)
    why = why_not_counted(stage, disaster)
    failed_at = disaster.at if unprotected_since is None else unprotected_since
    silent_s = stage.store_silent_s(failed_at)
    if silent_s is not None and silent_s > stage.lab.rpo_s:
        why = why or f"the blob service itself answered nothing for {silent_s:.1f} s before"
    facts = TrialFacts(
        name=plan.name,
        mode=plan.mode,
        order=plan.order,
        kind=plan.kind,
        counted=not why,
        why_not_counted=why,
        samples=[*_kept_looks(stage), kill_sample(stage, disaster, recovery)],
        ledger=ledger_outcome(stage, disaster, recovery, unprotected_since=unprotected_since),
        raw=_raw_judgement(stage, failed_at, recovery),
        rto=rto_figures(stage, disaster.at, recovery),
        boot=boot_outcome(stage, recovery),
        max_lag_s=stage.status.max_lag_s,
        store_silent_s=silent_s,
    )
    return facts, recovery


def _fence(stage: Stage, steps: list[ProofStep]) -> TrialFacts:
    """Pause the primary in mid-write, fail over, wake it: it must change nothing."""
    stage.set_up()
    stage.await_room()
    fenced = run_fence(stage)
    recovery = recover(stage, None)
    steps.extend(recovery.proof.steps)
    plan = stage.plan
    return TrialFacts(
        name=plan.name,
        mode=plan.mode,
        order=plan.order,
        kind=plan.kind,
        counted=not fenced.why_not_counted,
        why_not_counted=fenced.why_not_counted,
        samples=_kept_looks(stage),
        fence=fenced.outcome,
        max_lag_s=stage.status.max_lag_s,
    )


_ACTS: Final[dict[str, Callable[[Stage, list[ProofStep]], TrialFacts]]] = {
    "kill": _kill,
    "raw": _kill,
    "fence": _fence,
    "resize": _resize,
    "crash": _crash,
}


def _owed_ledger(stage: Stage, unprotected_since: float | None) -> ExpectedLedger | None:
    """The last acknowledged entry, where the mode promises that it is there."""
    progress = stage.workload.progress
    if not isinstance(progress, LedgerProgress) or stage.plan.mode == "async":
        return None
    end = float("inf") if unprotected_since is None else unprotected_since
    owed = [ack for ack in progress.acks if ack[0] <= end]
    if not owed:
        return None
    _at, index, digest = owed[-1]
    return ExpectedLedger(index, digest, progress.seed)


def _raw_judgement(stage: Stage, failed_at: float, recovery: Recovery) -> RawImageJudgement | None:
    if not isinstance(stage.workload.progress, RawProgress):
        return None
    plan = stage.plan
    disk = open_disk(recovery.handover.url)
    try:
        return judge_recovered(
            chunks=disk_chunks(disk, RAW_SPAN_BYTES),
            size_bytes=RAW_SPAN_BYTES,
            volume=RAW_VOLUME_ID,
            lines=stage.workload.lines,
            order=plan.order,
            rule=LossRule(plan.mode, failed_at, stage.lab.rpo_s, stage.protected_at),
            evidence=f"{stage.evidence_dir}/workload.port.txt",
        )
    finally:
        disk.close()


def _kept_looks(stage: Stage) -> list[ConsumableSample]:
    rel = stage.keep_json("looks.json", stage.looks.samples)
    return [msgspec.structs.replace(sample, evidence=rel) for sample in stage.looks.samples]


def _written(stage: Stage, facts: TrialFacts, steps: list[ProofStep]) -> tuple[TrialFacts, Trial]:
    """The facts with all evidence, and the trial as the reports show it."""
    plan = stage.plan
    _draw_load(stage)
    facts = msgspec.structs.replace(facts, evidence=list(stage.evidence))
    stage.keep_json("facts.json", facts)
    trial = Trial(
        name=plan.name,
        mode=plan.mode,
        order=plan.order,
        kind=plan.kind,
        seed=plan.seed,
        counted=facts.counted,
        why_not_counted=facts.why_not_counted,
        facts=flat(facts),
        timeline=stage.timeline.events(),
        proofs=steps,
        evidence=list(stage.evidence),
    )
    return facts, trial


def _draw_load(stage: Stage) -> None:
    """Curves of the load, once it is over."""
    if hasattr(stage, "workload"):
        words = ("ack", "done")
        acks = [at for at, text in stage.workload.lines if text.partition(" ")[0] in words]
        points = [(at, float(number)) for number, at in enumerate(acks, 1)]
        stage.timeline.curve("workload", "acknowledged writes", points)
    if hasattr(stage, "status"):
        samples = stage.status.samples
        lags = [(s.at, s.lag_s) for s in samples if s.lag_s is not None]
        stage.timeline.curve("replication", "lag seconds", lags)
        in_flight = [(s.at, float(s.in_flight)) for s in samples if s.in_flight is not None]
        stage.timeline.curve("store", "puts in flight", in_flight)
