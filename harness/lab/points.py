"""Recovery points of a trial: asked for under load, listed after the disaster, and opened.

What a point owes is known from outside: every entry acknowledged before it was asked for is in it,
and none begun after the answer came.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from harness.adapter import ListedPoint
from harness.disk.proof import optional_provers, prove
from harness.disk.source import open_disk
from harness.errors import MountproofError
from harness.judge.facts import PointCheck, PointsOutcome
from harness.judge.raw_image import judge_recovered
from harness.lab.blob_view import disk_chunks
from harness.lab.designated import disk_bytes, look_at_disk
from harness.lab.recovery import VM_PROVER
from harness.lab.stage import RAW_SPAN_BYTES, RAW_VOLUME_ID, Stage
from harness.lab.workload import LedgerProgress, RawProgress
from harness.oracle.loss import LossRule

__all__ = ["PointsLedger"]

LEFT_OUT: Final = frozenset(optional_provers()) - {VM_PROVER}
"""The strict validator has looked before, and a VM mounts it: that is enough for a point."""

KEPT: Final = 4
"""Points that a system keeps at least, by the policy that the lab gives it (none: the default)."""


@dataclass(frozen=True, slots=True)
class _Owed:
    """What was known around the request that made a point."""

    asked_at: float
    acknowledged: int
    begun: int


@dataclass(slots=True)
class PointsLedger:
    """What the lab knows of the points of one trial."""

    stage: Stage
    refused: list[str] = field(default_factory=list)
    _owed: dict[str, _Owed] = field(default_factory=dict)
    _asked: list[str] = field(default_factory=list)
    """Snapshots made by requests for a point, oldest first."""

    def ask(self) -> None:
        """Ask for a point while the guest writes."""
        stage = self.stage
        refusal, made = self.around(stage.volume.take_point)
        stage.timeline.point("replication", "recovery point" + (" refused" if refusal else ""))
        if refusal:
            self.refused.append(refusal)
        self._asked += made

    def around(self, act: Callable[[], str]) -> tuple[str, list[str]]:
        """Do something that may make points; returns its answer and the snapshots made by it."""
        stage = self.stage
        before = set(stage.lab.view.snapshots(stage.blob))
        began, acknowledged = time.monotonic(), stage.workload.progress.acknowledged
        answer = act()
        owed = _Owed(began, acknowledged, _begun(stage))
        made = [s for s in stage.lab.view.snapshots(stage.blob) if s not in before]
        self._owed |= dict.fromkeys(made, owed)
        return answer, made

    def check(self) -> PointsOutcome:
        """Open every point of the system's list; the newest of those asked for also in a VM."""
        stage = self.stage
        stage.tell("opening the recovery points")
        listed = stage.volume.points()
        names = [] if listed is None else [point.snapshot for point in listed]
        booted = next((s for s in reversed(self._asked) if s in names), names[-1] if names else "")
        checks = [self._check(point, boot=point.snapshot == booted) for point in listed or []]
        return PointsOutcome(
            asked=len(self._asked) + len(self.refused),
            refused=self.refused,
            listed=listed is not None,
            missing=[s for s in self._asked[-KEPT:] if listed is not None and s not in names],
            points=checks,
        )

    def _check(self, point: ListedPoint, *, boot: bool) -> PointCheck:
        stage, owed = self.stage, self._owed.get(point.snapshot)
        url = stage.disk.url(point.snapshot)
        ok, reason = look_at_disk(url, {disk_bytes(point.size_bytes)})
        check = PointCheck(
            snapshot=point.snapshot,
            kind=point.kind,
            told_bytes=point.size_bytes,
            disk_bytes=disk_bytes(point.size_bytes) if ok else None,
            ok=ok,
            reason=reason,
        )
        if not ok:
            return check
        try:
            if isinstance(stage.workload.progress, RawProgress):
                return _with_pages(stage, check, url, owed)
            return _with_ledger(stage, check, url, owed) if boot else check
        except MountproofError as error:
            return structs.replace(check, ok=None, reason=str(error))


def _begun(stage: Stage) -> int:
    progress = stage.workload.progress
    return progress.begun if isinstance(progress, LedgerProgress) else progress.invoked


def _with_ledger(stage: Stage, check: PointCheck, url: str, owed: _Owed | None) -> PointCheck:
    """Mount it in a VM and count the ledger's entries."""
    proof = prove(
        url,
        folder=stage.lab.evidence,
        raw_folder=f"{stage.evidence_dir}/point",
        without=LEFT_OUT,
    )
    step = next(step for step in proof.steps if step.prover == VM_PROVER)
    stage.evidence.extend(step.raw for step in proof.steps if step.raw)
    entries = proof.facts.get("ledger_entries")
    check = structs.replace(
        check,
        entries=entries if isinstance(entries, int) else None,
        owed_entries=None if owed is None else owed.acknowledged,
        begun_entries=None if owed is None else owed.begun,
        evidence=step.raw,
    )
    if step.verdict != "good":
        return structs.replace(
            check, ok=False if step.verdict == "bad" else None, reason=step.summary
        )
    return _weighed(check)


def _weighed(check: PointCheck) -> PointCheck:
    """Compare the entries found with those owed and those begun."""
    found = check.entries or 0
    if check.owed_entries is not None and found < check.owed_entries:
        why = f"{found} entries, {check.owed_entries} were acknowledged before it was asked for"
        return structs.replace(check, ok=False, reason=why)
    if check.begun_entries is not None and found > check.begun_entries:
        why = f"{found} entries, only {check.begun_entries} were begun when it was done"
        return structs.replace(check, ok=False, reason=why)
    return check


def _with_pages(stage: Stage, check: PointCheck, url: str, owed: _Owed | None) -> PointCheck:
    """Have the oracle judge its pages; owed is what was acknowledged before it was asked for."""
    disk = open_disk(url)
    try:
        judged = judge_recovered(
            chunks=disk_chunks(disk, RAW_SPAN_BYTES),
            size_bytes=RAW_SPAN_BYTES,
            volume=RAW_VOLUME_ID,
            lines=stage.workload.lines,
            order=stage.plan.order,
            # Everything acknowledged before the request is in it: no time may be lost.
            rule=LossRule("async", 0.0 if owed is None else owed.asked_at, 0.0),
        )
    finally:
        disk.close()
    story = judged.story or judged.loss_story
    ok = None if judged.verdict == "unusable" else not story
    reason = judged.reason or " ".join(story)
    return structs.replace(check, ok=ok, reason=reason, judged_pages=judged.pages_checked)
