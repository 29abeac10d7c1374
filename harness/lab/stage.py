"""One trial's stage: volume, protected system, guest at work, up to the disaster.

Everything that was started is stopped when the stage closes, whatever happened on it.
"""

import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, Self

from harness.adapter import (
    BlobService,
    Handover,
    ProtectedVolume,
    ReplicationSystem,
    SystemEvent,
    VolumeOrder,
)
from harness.errors import Inconclusive
from harness.evidence import EvidenceFolder
from harness.lab.blob_view import BlobView
from harness.lab.designated import DesignatedDisk, Sizes
from harness.lab.page_cache import held_in_small_pages
from harness.lab.plan import MIB, TrialPlan
from harness.lab.recovery_room import RecoveryRoom
from harness.lab.sampling import BlobLooks, Periodic, StatusSamples
from harness.lab.service_probe import ServiceProbe
from harness.lab.store_log import StoreLog
from harness.lab.timeline import Timeline
from harness.lab.waiting import StopSignal
from harness.lab.workload import Guest, LedgerProgress, RawProgress, Workload

__all__ = ["GuestMaker", "Lab", "Stage", "label_of"]

VOLUME_NAME: Final = "db"
PROTECT_S: Final = 180.0
GUEST_READY_S: Final = 300.0
LOAD_S: Final = 300.0
STATUS_EVERY_S: Final = 0.2
LOOK_EVERY_S: Final = 0.3
PROBE_EVERY_S: Final = 0.2
CONSOLE: Final = "console.log"
RAW_IN_FLIGHT: Final = 4
"""Writes that the raw workload has in flight at most."""

RAW_VOLUME_ID: Final = 1
RAW_SPAN_BYTES: Final = 32 * MIB
"""The raw workload writes below this; what lies above was there before protection began."""


class GuestMaker(Protocol):
    """The primary's guest, started when its context is entered, gone when that is left."""

    def __call__(
        self,
        role: str,
        options: Mapping[str, int],
        device: str,
        export: str,
        console: Path,
        *,
        lasting: bool,
    ) -> contextlib.AbstractContextManager[Guest]:
        """Make a guest with this role and options that writes to an NBD device.

        `lasting`: it waits for a device that goes away, and can be given one of another size.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What all trials of a run share."""

    system: ReplicationSystem
    view: BlobView
    store_log: StoreLog | None
    scratch: Path
    evidence: EvidenceFolder
    stop: StopSignal
    make_guest: GuestMaker
    rpo_s: float
    room: RecoveryRoom
    blobs: set[str] = field(default_factory=set)
    """Names of the blobs that the trials of this run have protected to so far."""
    progress: Callable[[str, str], None] = field(default=lambda _trial, _what: None)


class Stage:
    """The common part of every trial. Use it as a context manager."""

    def __init__(self, lab: Lab, plan: TrialPlan) -> None:
        self.lab = lab
        self.plan = plan
        self.timeline = Timeline()
        self.blob = f"{plan.name}.vhd"
        lab.blobs.add(self.blob)
        self.evidence_dir = f"evidence/trials/{plan.name}"
        self.evidence: list[str] = []
        self.site = lab.scratch / plan.name
        self.site.mkdir()
        (self.site / "primary").mkdir()
        self.volume_path = self.site / "primary" / "volume.img"
        self._stack = contextlib.ExitStack()
        self.protected_at = 0.0
        self.probe: ServiceProbe | None = None
        self.sizes = Sizes(plan.volume_bytes)
        self.disk = DesignatedDisk(lab.view, self.blob, lab.system.understand)
        self.blob_url = self.disk.url()

    # ── life ──────────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def set_up(self) -> None:
        """Volume, system, protection, guest, load: until the disaster's preconditions hold."""
        self.tell("protecting the volume")
        self._make_volume()
        self.volume = self._protect()
        self.status = StatusSamples(self.volume.status)
        looks = BlobLooks(self.disk, self.sizes, self.timeline, lambda: self.status.last)
        self.looks = looks
        self._wait_protected()
        self.tell("starting the guest")
        self._start_guest()
        self.tell("writing")
        self._periodic = [
            Periodic("status", STATUS_EVERY_S, lambda: _ignore(self.status.take())),
            Periodic("looks", LOOK_EVERY_S, looks.take),
        ]
        if self.plan.mode == "async":
            self.probe = ServiceProbe(lambda: self.lab.view.state(self.blob))
            self._periodic.append(Periodic("service probe", PROBE_EVERY_S, self.probe.take))
        for periodic in self._periodic:
            self._stack.enter_context(periodic)
        self.work()

    def end_looks(self) -> None:
        """Stop looking: the disaster is about to begin, or has begun."""
        for periodic in self._periodic:
            periodic.__exit__(None, None, None)
        for periodic in self._periodic:
            if periodic.failure is not None:
                raise periodic.failure

    def store_silent_s(self, at: float) -> float | None:
        """How long the service answered nothing before `at`; None where the lab did not ask."""
        if self.probe is None:
            return None
        return round(self.probe.silence(at, self.lab.rpo_s), 3)

    def tell(self, what: str) -> None:
        """Report what happens now."""
        self.lab.progress(self.plan.name, what)

    # ── waiting ───────────────────────────────────────────────────────────────────────────────

    def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait, with the system's health checked on the way."""

        def checked() -> bool:
            self.volume.check_running()
            return condition()

        self.lab.stop.until(checked, timeout_s, f"{self.plan.name}: {what}")

    def first_event(self, side: str, *names: str, since: float = 0.0) -> SystemEvent | None:
        """The first event of that side with one of these names, after the time `since`."""
        found = (
            e for e in self.volume.events() if e.side == side and e.name in names and e.at > since
        )
        return next(found, None)

    def wait_handover(self, timeout_s: float) -> Handover:
        """Until the standby handed the disk over; `Inconclusive` with its reason if it refused."""

        def decided() -> bool:
            refused = self.first_event("standby", "refused")
            if refused is not None:
                raise Inconclusive(
                    f"{self.plan.name}: the standby refused to fail over:"
                    f" {refused.fields.get('reason', 'no reason given')}"
                )
            return self.volume.handover() is not None

        self.until(decided, timeout_s, "failover")
        handover = self.volume.handover()
        assert handover is not None
        return handover

    # ── evidence ──────────────────────────────────────────────────────────────────────────────

    def keep(self, name: str, write: Callable[[Path], object]) -> str:
        """Have `write` make a file in the scratch folder, and keep it, redacted, as evidence."""
        place = self.site / f"evidence-{name.replace('/', '-')}"
        write(place)
        return self.keep_file(name, place)

    def keep_file(self, name: str, source: Path) -> str:
        """Keep a file as evidence, redacted."""
        rel = self.lab.evidence.adopt_file(f"{self.evidence_dir}/{name}", source)
        self.evidence.append(rel)
        return rel

    def keep_json(self, name: str, value: object) -> str:
        """Keep a value as JSON evidence."""
        rel = self.lab.evidence.write_json(f"{self.evidence_dir}/{name}", value)
        self.evidence.append(rel)
        return rel

    def keep_text(self, name: str, text: str) -> str:
        """Keep a text as evidence, redacted."""
        rel = self.lab.evidence.write_text(f"{self.evidence_dir}/{name}", text)
        self.evidence.append(rel)
        return rel

    def keep_logs(self) -> None:
        """Keep whatever logs there are: system, guest's port; for failed trials too."""
        if hasattr(self, "volume"):
            for name, place in self.volume.logs().items():
                if place.exists():
                    self.keep_file(name, place)
        if hasattr(self, "workload"):
            self.keep("workload.port.txt", self.workload.save)
            self.keep_text("workload.command.txt", self.workload.guest.evidence)
        console = self.site / "guest" / CONSOLE
        if console.exists():
            self.keep_file("workload.console.txt", console)

    # ── steps of the set-up ───────────────────────────────────────────────────────────────────

    def _make_volume(self) -> None:
        plan = self.plan
        with self.volume_path.open("xb") as file:
            file.truncate(plan.volume_bytes)
            if plan.measures_direct_write:
                # Allocated, yet zero: what the file system writes to allocate is nobody's copy.
                for _ in range(RAW_SPAN_BYTES // MIB):
                    file.write(bytes(MIB))
            if plan.prefill_bytes:
                file.seek(plan.volume_bytes - plan.prefill_bytes)
                dice = random.Random(plan.seed)
                for _ in range(plan.prefill_bytes // MIB):
                    file.write(dice.randbytes(MIB))
            file.flush()
            os.fsync(file.fileno())
        if plan.measures_direct_write:
            held = held_in_small_pages(self.volume_path, RAW_SPAN_BYTES)
            self._stack.enter_context(held)

    def _protect(self) -> ProtectedVolume:
        plan = self.plan
        order = VolumeOrder(
            name=VOLUME_NAME,
            path=self.volume_path,
            blob=self.blob,
            mode=plan.mode,
            order=plan.order,
            fence=plan.fence,
            max_lag_s=plan.max_lag_s,
            failure_timeout_s=plan.failure_timeout_s,
            label=label_of(plan),
        )
        view = self.lab.view
        service = BlobService(view.connection_string, view.container)
        volume = self.lab.system.protect(order, service, self.site)
        self._stack.callback(volume.stop)
        self.timeline.point("replication", "protection started")
        return volume

    def await_protection(self, since: float = 0.0) -> float:
        """Until the primary says, after `since`, that it protects; returns when it said so."""

        def protected() -> bool:
            refused = self.first_event("primary", "refused", since=since)
            if refused is not None:
                raise Inconclusive(
                    f"{self.plan.name}: the primary refused:"
                    f" {refused.fields.get('reason', 'no reason given')}"
                )
            return self.first_event("primary", "protected", since=since) is not None

        self.until(protected, PROTECT_S, "protection")
        event = self.first_event("primary", "protected", since=since)
        assert event is not None
        return event.at

    def _wait_protected(self) -> None:
        self.protected_at = self.await_protection()
        self.timeline.span("replication", "seeding", self.timeline.origin, self.protected_at)
        self.timeline.point("replication", "protected", self.protected_at)

    def _start_guest(self) -> None:
        raw = self.plan.writes_raw_pages
        options = {"seed": self.plan.seed, **(_RAW_OPTIONS if raw else {"format": 1})}
        if self.plan.measures_direct_write:
            options["zero"] = 0  # punching holes would empty the cache: page_cache.py
        folder = self.site / "guest"
        folder.mkdir()
        role, volume = ("raw" if raw else "workload"), self.volume
        began = time.monotonic()
        guest = self._stack.enter_context(
            self.lab.make_guest(
                role,
                options,
                volume.device,
                volume.export,
                folder / CONSOLE,
                lasting=self.plan.keeps_its_guest,
            )
        )
        workload = Workload(guest, RawProgress() if raw else LedgerProgress(self.plan.seed))
        self.workload = workload
        workload.wait_ready(self.lab.stop, GUEST_READY_S)
        self.timeline.span("boot", "primary guest starts", began, workload.ready_at or began)

    def work(self, more: int = 0) -> None:
        """Let the guest write until so many more, or the plan's least, writes are acknowledged."""
        progress = self.workload.progress
        least = progress.acknowledged + more if more else self.plan.acknowledgements_min

        def enough() -> bool:
            self.check_guest()
            return progress.acknowledged >= least

        self.until(enough, LOAD_S, f"{least} acknowledged writes")

    def check_guest(self) -> None:
        """`Inconclusive` if the primary's guest has ended by itself, or has told of trouble."""
        if self.workload.ended or self.workload.trouble:
            raise Inconclusive(
                f"{self.plan.name}: the primary guest ended by itself {self.workload.trouble}"
            )

    def await_room(self) -> None:
        """Go on writing until a recovery has room, and for the plan's random time."""
        plan, room = self.plan, self.lab.room
        self._stack.callback(room.release, plan.name)
        room.reserve(plan.name, plan.extra_s + plan.failover_s, plan.recovery_s, self.lab.stop)
        self.lab.stop.sleep(plan.extra_s)


_RAW_OPTIONS: Final = {
    "volume": RAW_VOLUME_ID,
    "inflight": RAW_IN_FLIGHT,
    "span_bytes": RAW_SPAN_BYTES,
}


def label_of(plan: TrialPlan) -> str:
    """The label that the volume of this trial is given: it has to reach the blob."""
    return f"{plan.name} / seed {plan.seed}"


def _ignore(_value: object) -> None:
    """A periodic act has no result."""
