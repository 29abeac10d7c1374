"""What the lab measured, as typed facts: the only input of the judges.

The lab fills one `TrialFacts` for each trial and one `RunFacts` for the run; it measures and never
judges. The judges (one file for each claim) turn them into verdicts. Every part is optional: what
was not measured stays None, and a claim without facts is inconclusive, never held. Durations are
seconds, sizes are bytes; `*_at_s` are seconds since the start of the trial. `evidence` fields are
paths relative to the output folder. No field may hold a secret.
"""

from typing import Literal

import msgspec

from harness.judge.change_facts import (
    CrashOutcome,
    PointCheck,
    PointsOutcome,
    PropertiesOutcome,
    PropertyCheck,
    ResizeOutcome,
    ResizeStep,
)

Mode = Literal["sync", "sync-on-flush", "async"]
"""When the engine acknowledges (design.md section 4)."""

Order = Literal["strict", "flush"]
"""What orders two writes: completion before invocation, or a completed flush between them."""

TrialKind = Literal["kill", "raw", "fence", "resize", "crash", "baseline"]
"""`kill`: ledger, SIGKILL, failover. `raw`: the same with self-describing pages. `fence`: SIGSTOP
instead. `resize`: the volume grows and shrinks before the kill, or in the midst of it. `crash`: the
replicator alone dies first and comes back; the site dies after its resync, or in the midst of
it."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Root of the fact records: immutable, keyword arguments only, strict when read back."""


class ConsumableSample(Fact, frozen=True, kw_only=True):
    """One look at the live blob as a stranger opens it: is it a valid VHD of the right size?"""

    at_s: float
    moment: Literal["load", "kill"]
    """`load`: an instant while writes were going on. `kill`: the disk that was left behind, all
    provers."""
    ok: bool | None
    """None: the look itself failed (service busy, prover missing); it counts neither way."""
    reason: str = ""
    """What was wrong or missing; empty if ok."""
    provers: list[str] = []
    """Names of the provers that looked, for example `validator`, `qemu-img`."""
    writes_in_flight: int = 0
    """Store requests in flight when the look began, as far as known."""
    snapshot: str = ""
    """The recovery point that the system designated then; empty: the live blob."""
    evidence: str = ""


class RawImageJudgement(Fact, frozen=True, kw_only=True):
    """What harness.oracle said about the recovered image of a raw workload."""

    verdict: Literal["admissible", "finding", "unusable"]
    """`unusable`: the history cannot carry a judgement (announcements lost, nothing written); see
    `reason`."""
    reason: str = ""
    story: list[str] = []
    """The finding (provenance or order) in a few lines; empty if admissible."""
    loss_story: list[str] = []
    """What is missing though the mode promised it, in a few lines; empty if nothing is."""
    pages_checked: int
    pages_written: int
    """Pages of the image that hold a write of the workload."""
    writes_invoked: int
    writes_completed: int
    writes_demanded: int
    """Writes that order or loss rule demanded to be there; 0 means that nothing was exercised."""
    in_flight_at_kill: int
    lost_writes: int
    """Acknowledged writes that the image does not show."""
    lost_bytes: int
    oldest_lost_age_s: float
    """Age at the kill of the oldest acknowledged write that is missing; 0.0 if none is."""
    oracle_seconds: float = 0.0
    evidence: str = ""


class LedgerOutcome(Fact, frozen=True, kw_only=True):
    """The hash-chained ledger: what the guest was told is safe, against what was recovered."""

    acked_before_kill: int
    """Entries acknowledged before the kill."""
    last_acked_index: int
    """Highest acknowledged index (0-based); -1 if none."""
    recovered_entries: int
    """Length of the unbroken chain found on the recovered disk."""
    chain_ok: bool | None
    """The whole file is one valid chain whose acknowledged hashes are those announced. None: could
    not be read."""
    reason: str = ""
    lost_entries: int
    """Acknowledged and not recovered."""
    lost_bytes: int = 0
    oldest_lost_age_s: float = 0.0
    """Kill instant less the acknowledgement of the oldest lost entry; 0.0 if none is lost."""
    entry_in_flight: bool = False
    """A begun, unacknowledged entry existed at the kill."""
    evidence: str = ""


class RtoFigures(Fact, frozen=True, kw_only=True):
    """The way from the failure to a guest that has mounted and verified the disk."""

    failed_at_s: float
    """The SIGKILL (or SIGSTOP)."""
    declared_at_s: float
    """The standby declared the failure."""
    fenced_at_s: float
    """The standby owned the blob."""
    handed_over_at_s: float
    """The standby handed out the disk (event `mounted`)."""
    vm_started_at_s: float
    guest_mounted_at_s: float
    """The guest reported a successful mount (or attach, without a file system)."""
    verified_at_s: float
    evidence: str = ""


class ProcessIo(Fact, frozen=True, kw_only=True):
    """/proc/PID/io of one engine process over its life, read right before its end."""

    process: str
    """`primary` or `standby`."""
    write_bytes: int
    """Bytes that this process caused to be sent to block storage, less cancelled_write_bytes."""
    wchar: int
    """Bytes passed to write-like system calls, pipes included, send() on sockets not."""


class OwnWrite(Fact, frozen=True, kw_only=True):
    """One item of what an engine process wrote."""

    what: str
    """For example `event lines on stdout`, `lease file`, `volume writes rounded to 4 KiB pages`."""
    bytes: int
    storage: bool
    """True: it went to files or devices (it counts); False: pipes and terminals (it explains wchar
    only)."""


class DirectWrite(Fact, frozen=True, kw_only=True):
    """Where the volume's data went besides the volume itself and its blob."""

    processes: list[ProcessIo]
    volume_bytes: int
    """Bytes of the guest's completed writes to the protected volume."""
    volume_page_bytes: int = 0
    """The same with each write rounded out to 4 KiB pages, as the kernel counts it; 0: not known,
    volume_bytes counts."""
    in_flight_writes: int = 0
    """Writes of the guest begun and not completed at the kill: the engine may have made them."""
    in_flight_bytes: int = 0
    in_flight_page_bytes: int = 0
    own_writes: list[OwnWrite] = []
    replicated_bytes: int
    """Data bytes put into the blob."""
    folders_on_disk: bool = True
    """Volume, state and temporary folders lie on block storage (on a tmpfs the kernel counts
    nothing)."""
    store_log: bool
    """The service's request log was read; False: only the container was listed."""
    other_objects: list[str] = []
    """Objects besides the volume's own blob that were written to, or listed in the container."""
    log_requests: int = 0
    """Write requests seen in the log; 0 with store_log means that the log was not understood."""
    evidence: list[str] = []


class FenceOutcome(Fact, frozen=True, kw_only=True):
    """The old primary, stopped in mid-write, replaced, and woken up again."""

    in_flight_at_stop: int
    """Store requests in flight at SIGSTOP."""
    queued_at_stop: int
    """Writes held by the engine and not yet put at SIGSTOP."""
    failover_done: bool
    """The standby owned the blob and handed it out before SIGCONT."""
    refused_after_resume: int
    """Writes or lease requests of the old primary that the service refused after SIGCONT."""
    store_log: bool = True
    """Told by the service's request log; False: refusals by the old primary's own count, and
    nothing but the digest and its acknowledgements would show a write that was applied."""
    applied_after_resume: int
    """Writes of the old primary that the service answered with success after the failover (store
    log or engine event)."""
    acked_after_failover: int
    """Acknowledgements that the old primary gave to its guest after the failover."""
    digest_before: str
    """Digest of the blob's whole content after the failover, before SIGCONT; empty: not read."""
    digest_after: str
    """The same, once the old primary had finished trying."""
    old_primary_said: str = ""
    """How the old primary ended: `fenced`, `demoted`, `refused`, or empty."""
    evidence: list[str] = []


class BootOutcome(Fact, frozen=True, kw_only=True):
    """The recovery guest, straight from the blob."""

    booted: bool
    """The guest's own program reported `ready`."""
    mounted: bool | None
    """None: no known file system, mounting is not applicable and the disk was read instead."""
    verified: bool | None
    """The guest verified the content (ledger chain, or size and digest). None: it did not come that
    far."""
    fsck_exit: int | None
    """Exit code of `e2fsck -fn` after the unmount; None: not applicable or not reached."""
    straight_from_blob: bool
    """The command line names only URLs of the blob service and the throw-away overlay."""
    accelerator: str = "tcg"
    lab_failure: str = ""
    """Set when the lab and not the disk is to blame (QEMU missing, time-out before the kernel
    spoke)."""
    reason: str = ""
    evidence: list[str] = []


class TrialFacts(Fact, frozen=True, kw_only=True):
    """Everything measured in one trial; None = not measured."""

    name: str
    mode: Mode
    order: Order
    kind: TrialKind
    counted: bool = True
    why_not_counted: str = ""
    """For example `only 37 acknowledged entries`, `no write in flight at the kill`, `standby never
    started`."""
    samples: list[ConsumableSample] = []
    ledger: LedgerOutcome | None = None
    raw: RawImageJudgement | None = None
    rto: RtoFigures | None = None
    direct_write: DirectWrite | None = None
    fence: FenceOutcome | None = None
    boot: BootOutcome | None = None
    resize: ResizeOutcome | None = None
    crash: CrashOutcome | None = None
    points: PointsOutcome | None = None
    properties: PropertiesOutcome | None = None
    max_lag_s: float | None = None
    """Largest lag that the engine's status reported under load."""
    store_silent_s: float | None = None
    """How long the service left the lab's own question unanswered, right before the kill; asked in
    mode async only, whose bound holds for a service that answers."""
    evidence: list[str] = []


class RunFacts(Fact, frozen=True, kw_only=True):
    """The facts of one certification run."""

    trials: list[TrialFacts] = []


def flat(trial: TrialFacts) -> dict[str, float | int | str | bool]:
    """Name the trial's scalar facts, dotted (`ledger.lost_entries`), as `evidence.Trial` wants."""
    found: dict[str, float | int | str | bool] = {}
    for part in ("ledger", "raw", "rto", "direct_write", "fence", "boot", "resize", "crash"):
        record = getattr(trial, part)
        if record is None:
            continue
        for key, value in msgspec.structs.asdict(record).items():
            if isinstance(value, bool | int | float | str) and key != "evidence":
                found[f"{part}.{key}"] = value
    looked = [sample for sample in trial.samples if sample.ok is not None]
    found["samples.looked"] = len(looked)
    found["samples.bad"] = sum(1 for sample in looked if not sample.ok)
    if trial.resize is not None:
        sizes = [step.to_bytes for step in trial.resize.steps]
        found["resize.sizes_bytes"] = " ".join(str(size) for size in sizes)
        found["resize.entries_during"] = sum(s.entries_during for s in trial.resize.steps)
    if trial.points is not None:
        found["points.listed"] = len(trial.points.points)
        found["points.good"] = sum(1 for point in trial.points.points if point.ok)
    if trial.properties is not None:
        found["properties.checked"] = len(trial.properties.checks)
    if trial.max_lag_s is not None:
        found["max_lag_s"] = trial.max_lag_s
    if trial.store_silent_s is not None:
        found["store_silent_s"] = trial.store_silent_s
    return found


__all__ = [
    "BootOutcome",
    "ConsumableSample",
    "CrashOutcome",
    "DirectWrite",
    "FenceOutcome",
    "LedgerOutcome",
    "Mode",
    "Order",
    "OwnWrite",
    "PointCheck",
    "PointsOutcome",
    "ProcessIo",
    "PropertiesOutcome",
    "PropertyCheck",
    "RawImageJudgement",
    "ResizeOutcome",
    "ResizeStep",
    "RtoFigures",
    "RunFacts",
    "TrialFacts",
    "TrialKind",
    "flat",
]
