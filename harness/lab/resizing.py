"""The resize trial: the volume grows and shrinks under load, the guest's file system follows.

Growing: the system first, then the machine is told, then its file system fills the disk. Shrinking:
the file system first, then the system, then the machine. All the while the guest writes and waits
for its fsyncs.
"""

import random
import threading
import time
from dataclasses import dataclass
from typing import Final, Literal

from msgspec import structs

from harness.disk.findings import ALL_CONSUMERS
from harness.disk.source import Disk, open_disk
from harness.disk.validator import validate
from harness.errors import Inconclusive
from harness.judge.facts import ResizeOutcome, ResizeStep
from harness.lab.points import PointsLedger
from harness.lab.slow_motion import stop_primary_when
from harness.lab.stage import Stage

__all__ = ["ResizeRun"]

ENTRIES_BETWEEN: Final = 20
FOLLOW_S: Final = 180.0
BEGIN_S: Final = 120.0
ASKING_S: Final = 10.0
LATER_MAX: Final = 1
"""A grow or shrink takes four requests after the one that says that it is on its way, and the last
makes it done. A look may pass over one, and one may still be under way at the kill."""

READ_BYTES: Final = 4 << 20
Kind = Literal["grow", "shrink"]


@dataclass(frozen=True, slots=True)
class _Look:
    """The blob right after a resize."""

    disk_bytes: int | None
    reason: str
    spare_zero: bool | None


class ResizeRun:
    """Resizes of one trial."""

    def __init__(self, stage: Stage, points: PointsLedger) -> None:
        self._stage = stage
        self._points = points
        self.steps: list[ResizeStep] = []
        self._asking: threading.Thread | None = None

    def grow(self, to_bytes: int) -> None:
        """Grow volume, disk and file system, with the guest writing."""
        step = self._resize("grow", to_bytes)
        if not step.refused:
            step = self._followed(step, self._guest_grows(to_bytes))
        self.steps.append(step)

    def shrink(self, to_bytes: int) -> None:
        """Shrink file system, volume and disk, with the guest writing."""
        guest_bytes = self._tell_guest("shrink", to_bytes)
        step = self._followed(self._resize("shrink", to_bytes), guest_bytes)
        if not step.refused:
            self._stage.workload.guest.follow_size(to_bytes)
        self.steps.append(step)

    def begin(self, kind: Kind, to_bytes: int) -> None:
        """Ask for a resize that the site shall not see the end of.

        Returns with the primary standing still (SIGSTOP) in its midst: right after the blob says
        that the resize is on its way, or after the next change of the blob.
        """
        stage = self._stage
        if kind == "shrink":
            self._tell_guest("shrink", to_bytes)
        before = stage.sizes.volume
        stage.sizes.asked(to_bytes)
        asking = threading.Thread(
            target=stage.volume.resize, args=(to_bytes,), name="resize", daemon=True
        )
        self.steps.append(ResizeStep(kind=kind, from_bytes=before, to_bytes=to_bytes))
        # A trial that is staged again missed the moment: then at once.
        again = "-again-" in stage.plan.name
        later = 0 if again else random.Random(stage.plan.seed).randint(0, LATER_MAX)
        seen: list[str] = []

        def reached() -> bool:
            now = stage.disk.now()
            if now.wording.unfinished != kind:
                return bool(seen) or not asking.is_alive()
            if now.state.etag not in seen:
                seen.append(now.state.etag)
            return len(seen) > later

        stage.volume.pause_primary()  # it hears the question in slow motion
        asking.start()
        self._asking = asking
        stop_primary_when(stage, reached, BEGIN_S, f"the {kind}'s begin")

    def outcome(self, recovered_bytes: int, unfinished: str) -> ResizeOutcome:
        """After the recovery."""
        if self._asking is not None:
            self._asking.join(ASKING_S)  # its connection ended with the primary
        cut = bool(self._stage.plan.cut)
        return ResizeOutcome(
            steps=self.steps,
            cut=cut,
            unfinished_at_kill=unfinished,
            recovered_bytes=recovered_bytes,
            possible_bytes=sorted(self._stage.sizes.possible),
            evidence=self._stage.keep_json("resizes.json", self.steps),
        )

    def _resize(self, kind: Kind, to_bytes: int) -> ResizeStep:
        stage = self._stage
        stage.tell(f"{kind}: {stage.sizes.volume} to {to_bytes} bytes")
        before, acked = stage.sizes.volume, stage.workload.progress.acknowledged
        stage.sizes.asked(to_bytes)
        began = time.monotonic()
        refused, _made = self._points.around(lambda: stage.volume.resize(to_bytes))
        ended = time.monotonic()
        stage.timeline.span("replication", kind, began, ended)
        look = _Look(None, "", None)
        if not refused:
            stage.sizes.done(to_bytes)
            look = _look_after(stage, min(before, to_bytes))
        return ResizeStep(
            kind=kind,
            from_bytes=before,
            to_bytes=to_bytes,
            refused=refused,
            seconds=round(ended - began, 3),
            entries_during=stage.workload.progress.acknowledged - acked,
            disk_bytes=look.disk_bytes,
            reason=look.reason,
            spare_zero=look.spare_zero,
        )

    def _guest_grows(self, to_bytes: int) -> int:
        self._stage.workload.guest.follow_size(to_bytes)
        return self._tell_guest("grow", to_bytes)

    def _tell_guest(self, kind: Kind, to_bytes: int) -> int:
        """Have the guest's file system follow; returns its new size."""
        stage = self._stage
        mark = len(stage.workload.lines)
        began = time.monotonic()
        stage.workload.guest.say(f"{kind} {to_bytes}")

        def answered() -> bool:
            stage.check_guest()
            return stage.workload.said_since(mark, "resized") is not None

        stage.until(answered, FOLLOW_S, f"the guest's file system to {kind}")
        stage.timeline.span("workload", f"file system: {kind}", began, time.monotonic())
        said = stage.workload.said_since(mark, "resized") or ""
        size = said.partition("filesystem=")[2]
        if not size.isdecimal():
            raise Inconclusive(f"{stage.plan.name}: the guest said {said!r}")
        return int(size)

    def _followed(self, step: ResizeStep, guest_bytes: int) -> ResizeStep:
        self._stage.work(ENTRIES_BETWEEN)
        return structs.replace(step, guest_bytes=guest_bytes)


def _look_after(stage: Stage, kept_bytes: int) -> _Look:
    """Validate the live blob, and read what lies behind the bytes that the guest may write to.

    The guest has not been told of a grow yet and has left what a shrink cuts off, so everything
    from `kept_bytes` on must be zero.
    """
    disk = open_disk(stage.blob_url)
    try:
        layout = validate(disk)
        condemned = [f.sentence for f in layout.findings if f.condemns(ALL_CONSUMERS)]
        if layout.size_bytes is None or condemned:
            return _Look(None, " ".join(condemned), None)
        return _Look(layout.size_bytes, "", _is_zero(disk, kept_bytes, layout.size_bytes))
    finally:
        disk.close()


def _is_zero(disk: Disk, begin: int, end: int) -> bool:
    for extent in disk.extents():
        at = max(begin, extent.offset)
        while at < min(end, extent.end):
            length = min(READ_BYTES, min(end, extent.end) - at)
            if any(disk.read(at, length)):
                return False
            at += length
    return True
