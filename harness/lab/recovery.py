"""After the disaster: failover, every prover on the recovered disk, what they found as facts."""

import errno
import time
from dataclasses import dataclass
from typing import Final

from harness.adapter import Handover
from harness.disk.proof import ExpectedLedger, ProofResult, prove
from harness.evidence import Lane, ProofStep
from harness.judge.facts import BootOutcome, ConsumableSample, LedgerOutcome, RtoFigures
from harness.lab.disaster import Disaster
from harness.lab.priority import guest_goes_first
from harness.lab.stage import Stage
from harness.lab.vm_witness import VmWitness
from harness.lab.workload import LedgerProgress

__all__ = ["Recovery", "recover"]

VM_PROVER: Final = "vm"
LEASE_SLACK_S: Final = 30.0
LEDGER_RECORD_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovered disk, as handed over and as proved."""

    handover: Handover
    declared_at: float
    fenced_at: float
    proof: ProofResult
    vm_step: ProofStep
    witness: VmWitness

    def fact(self, name: str) -> float | int | str | bool | None:
        """A figure that a prover gave, by its name."""
        return self.proof.facts.get(name)

    @property
    def ledger_entries(self) -> int | None:
        """Length of the recovered ledger; None where nothing is known of it.

        0 where the file system was mounted and has no such file: all of it is lost.
        """
        entries = self.fact("ledger_entries")
        if isinstance(entries, int):
            return entries
        gone = self.witness.number("ledger", "errno") == errno.ENOENT
        return 0 if gone and self.fact("mounted") is True else None


def recover(stage: Stage, expected: ExpectedLedger | None) -> Recovery:
    """Wait for the handover, prove the disk where it is, and note the way on the timeline."""
    timeout_s = 3 * stage.plan.failure_timeout_s + 15 * 1.1 + LEASE_SLACK_S
    stage.tell("failing over")
    handover = stage.wait_handover(timeout_s)
    stage.tell("proving the disk")
    events = _detection(stage)
    ended: dict[str, float] = {}
    began = time.monotonic()

    def note(step: ProofStep) -> None:
        ended[step.prover] = time.monotonic()

    with guest_goes_first(f"/{stage.blob}"):
        proof = prove(
            handover.url,
            ledger=expected,
            folder=stage.lab.evidence,
            raw_folder=f"{stage.evidence_dir}/prove",
            on_step=note,
        )
    stage.lab.room.release(stage.plan.name)
    stage.evidence.extend(step.raw for step in proof.steps if step.raw)
    stage.keep_json("proof.json", {"name": proof.name, "verdict": proof.verdict, **proof.facts})
    vm_step = next(step for step in proof.steps if step.prover == VM_PROVER)
    vm_ended = ended[VM_PROVER]
    raw = stage.lab.evidence.path(vm_step.raw).read_text(encoding="utf-8") if vm_step.raw else ""
    recovery = Recovery(
        handover,
        events.get("failure-declared", handover.at),
        handover.at,
        proof,
        vm_step,
        VmWitness(raw, max(began, vm_ended - vm_step.seconds), vm_ended),
    )
    _draw(stage, recovery)
    return recovery


def _detection(stage: Stage) -> dict[str, float]:
    """Times of the standby's events; each goes on the timeline."""
    labels: dict[str, tuple[Lane, str]] = {
        "suspected": ("detection", "suspected"),
        "failure-declared": ("detection", "failure declared"),
        "false-alarm": ("detection", "false alarm"),
        "fencing": ("failover", "fencing"),
        "mounted": ("failover", "disk handed over"),
    }
    times: dict[str, float] = {}
    for event in stage.volume.events():
        if event.side == "standby" and event.name in labels:
            lane, label = labels[event.name]
            stage.timeline.point(lane, label, event.at)
            times.setdefault(event.name, event.at)
    if "fencing" in times and "mounted" in times:
        stage.timeline.span("failover", "fencing", times["fencing"], times["mounted"])
    return times


def _draw(stage: Stage, recovery: Recovery) -> None:
    began, mounted = recovery.witness.began_at, _mounted_at(recovery)
    stage.timeline.span("boot", "recovery VM starts", began, mounted)
    stage.timeline.span("boot", "verify", mounted, recovery.witness.ended_at)
    verdict = recovery.vm_step.verdict
    label = "verified" if verifies(stage, recovery) else "nothing to verify"
    label = label if verdict == "good" else verdict
    stage.timeline.point("boot", label, recovery.witness.ended_at)


def _mounted_at(recovery: Recovery) -> float:
    """When the guest reported the mount; without a file system, that it has the disk attached."""
    return recovery.witness.at("mount" if recovery.fact("mounted") is True else "filesystem")


def verifies(stage: Stage, recovery: Recovery) -> bool:
    """The guest found the disk good, and on it something of what had been acknowledged.

    A good disk without any ledger is no verification: the guest looked into an empty folder.
    """
    progress = stage.workload.progress
    owed = isinstance(progress, LedgerProgress) and progress.acknowledged > 0
    return recovery.vm_step.verdict == "good" and not (owed and not recovery.ledger_entries)


def rto_figures(stage: Stage, failed_at: float, recovery: Recovery) -> RtoFigures | None:
    """The way back; None if the guest verified nothing."""
    if not verifies(stage, recovery):
        return None
    since = stage.timeline.since_start
    return RtoFigures(
        failed_at_s=since(failed_at),
        declared_at_s=since(recovery.declared_at),
        fenced_at_s=since(recovery.fenced_at),
        handed_over_at_s=since(recovery.handover.at),
        vm_started_at_s=since(recovery.witness.began_at),
        guest_mounted_at_s=since(_mounted_at(recovery)),
        verified_at_s=since(recovery.witness.ended_at),
        evidence=recovery.vm_step.raw,
    )


def ledger_outcome(
    stage: Stage, disaster: Disaster, recovery: Recovery, *, unprotected_since: float | None = None
) -> LedgerOutcome | None:
    """What was acknowledged against what was recovered; indices of the facts count from 0.

    What was acknowledged after `unprotected_since` is owed by nobody.
    """
    progress = stage.workload.progress
    if not isinstance(progress, LedgerProgress):
        return None
    entries = recovery.ledger_entries
    if entries is None:
        return _unread_ledger(progress, disaster, recovery)
    end = float("inf") if unprotected_since is None else unprotected_since
    owed = [(at, index) for at, index, _hash in progress.acks if at <= end]
    lost = [(at, index) for at, index in owed if index > entries]
    chain_ok, reason = _chain(progress, recovery, entries)
    return LedgerOutcome(
        acked_before_kill=len(owed),
        last_acked_index=owed[-1][1] - 1 if owed else -1,
        recovered_entries=entries,
        chain_ok=chain_ok,
        reason=reason,
        lost_entries=len(lost),
        lost_bytes=len(lost) * LEDGER_RECORD_BYTES,
        oldest_lost_age_s=round(disaster.at - lost[0][0], 6) if lost else 0.0,
        entry_in_flight=disaster.guest_in_flight > 0,
        evidence=recovery.vm_step.raw,
    )


def _unread_ledger(
    progress: LedgerProgress, disaster: Disaster, recovery: Recovery
) -> LedgerOutcome:
    """No word on the ledger: nothing is known to be lost, and nothing to be there."""
    return LedgerOutcome(
        acked_before_kill=progress.acknowledged,
        last_acked_index=progress.acks[-1][1] - 1 if progress.acks else -1,
        recovered_entries=0,
        chain_ok=None,
        reason=f"the ledger could not be read: {recovery.vm_step.summary}",
        lost_entries=0,
        entry_in_flight=disaster.guest_in_flight > 0,
        evidence=recovery.vm_step.raw,
    )


def _chain(progress: LedgerProgress, recovery: Recovery, recovered: int) -> tuple[bool, str]:
    """Whether the recovered chain is whole and goes through an entry that was acknowledged."""
    known = {index: digest for _at, index, digest in progress.acks}
    reached = min(recovered, max(known, default=0))
    if reached == 0:
        return True, ""  # nothing to compare; that everything is lost is said by the count
    ledger = ExpectedLedger(reached, known[reached], progress.seed)
    if not ledger.is_in_chain_to(recovered, str(recovery.fact("ledger_last") or "")):
        return False, f"the chain on the disk does not go through acknowledged entry {reached}"
    broken = "chain breaks" in recovery.vm_step.summary
    return not broken, recovery.vm_step.summary if broken else ""


def boot_outcome(stage: Stage, recovery: Recovery) -> BootOutcome:
    """What the recovery guest did with the disk."""
    fact, verdict = recovery.fact, recovery.vm_step.verdict
    exit_code = recovery.witness.number("e2fsck", "exit")
    mountable = str(fact("filesystem") or "none").startswith("ext")
    lab_failure = recovery.vm_step.summary if verdict in ("inconclusive", "not applicable") else ""
    verified = True if verifies(stage, recovery) else False if verdict == "bad" else None
    return BootOutcome(
        booted=recovery.witness.ready,
        mounted=(fact("mounted") is True) if mountable else None,
        verified=verified,
        fsck_exit=exit_code if mountable else None,
        straight_from_blob=recovery.witness.straight_from_blob(stage.blob, stage.site),
        accelerator=str(fact("vm_accelerator") or "tcg"),
        lab_failure=lab_failure,
        reason="" if verdict == "good" else recovery.vm_step.summary,
        evidence=[recovery.vm_step.raw] if recovery.vm_step.raw else [],
    )


def kill_sample(stage: Stage, disaster: Disaster, recovery: Recovery) -> ConsumableSample:
    """The disk that the kill left behind, by all provers."""
    verdict = recovery.proof.verdict
    faults = [
        f"{step.prover}: {step.summary}"
        for step in recovery.proof.steps
        if step.verdict in ("bad", "inconclusive")
    ]
    return ConsumableSample(
        at_s=stage.timeline.since_start(disaster.at),
        moment="kill",
        ok={"good": True, "bad": False}.get(verdict),
        reason="" if verdict == "good" else "; ".join(faults),
        provers=[step.prover for step in recovery.proof.steps],
        writes_in_flight=(disaster.status.in_flight or 0) if disaster.status else 0,
        evidence=f"{stage.evidence_dir}/proof.json",
    )
