"""What is done to a protected volume beside its data: recovery points, changes of its size.

One errand at a time, each in an exclusive section between two batches:

    [WRITING -> VOLUME] -> DRAINING -> SECTION

A resize changes the local volume first, once no write is under way beyond the smaller size; what
was queued until then is in the blob before the blob follows, so nothing of it can be missing while
the new size shows. A point holds everything that was acknowledged before it was asked for. Where
the service takes no snapshot now, data goes on and the errand is tried again. While the volume is
seeded or resynced no point may be taken (P10): it waits; a resize makes the copy begin anew.

In order `interval` every point closes the interval: it is what a failover would recover.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from engine.core.changing import NO_SNAPSHOT
from engine.core.clients import Clients
from engine.core.epochs import Batch, Order
from engine.core.listed_point import PointKind
from engine.core.messages import (
    EINVAL,
    EIO,
    Command,
    DeleteSnapshot,
    Done,
    Failed,
    LocalResize,
    Note,
    PointRequested,
    Refusal,
    Reply,
    ResizeRequested,
    SetTimer,
    StoreAnswer,
)
from engine.core.operations import CHANGE, REMOTE, Operation
from engine.core.points import Point, TakePoint
from engine.core.protecting import Protecting
from engine.core.resizing import ChangeSize, is_size
from engine.core.section import LIMIT_BACKOFF_US, Goal, InTurn, Section
from engine.core.settings import VolumeSettings
from engine.core.shipping import Shipper

TIMER = "point"
RESUME_TIMER = "upkeep"


class Step(Enum):
    """Where the errand under way stands."""

    IDLE = auto()
    WRITING = auto()
    VOLUME = auto()
    DRAINING = auto()
    SECTION = auto()


# Named once, for to look up a member of an enum costs more than a call.
IDLE: Final = Step.IDLE
WRITING: Final = Step.WRITING
VOLUME: Final = Step.VOLUME
DRAINING: Final = Step.DRAINING
SECTION: Final = Step.SECTION


class Errand:
    """A point, or a size for the volume; `operation`: whoever asked, None: nobody waits."""

    __slots__ = ("kind", "operation", "resized", "volume_bytes")

    def __init__(self, kind: PointKind, operation: Operation | None, volume_bytes: int = 0) -> None:
        self.kind = kind
        self.operation = operation
        self.volume_bytes = volume_bytes
        self.resized = False


class Upkeep:
    """Takes requests at any time, carries them out while the volume is protected."""

    def __init__(
        self,
        settings: VolumeSettings,
        clients: Clients,
        shipper: Shipper,
        way: Protecting,
        next_id: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._shipper = shipper
        self._way = way
        self._next_id = next_id
        self._closes = settings.order is Order.INTERVAL
        self._errands: deque[Errand] = deque()
        self._errand: Errand | None = None
        self._step = IDLE
        self._barrier: Operation | None = None
        self.deleting: dict[int, str] = {}
        """Deletions under way, and the snapshot of each."""
        self._puts_at_point = -1
        self._resume_us = 0
        self._gave_up = False
        self._size_in_blob = settings.volume_bytes
        self.complaint = ""
        """Why what was asked for is not done yet, where that is the service's doing."""
        self.awaited_op = 0
        """The operation whose LocalResize is under way, 0: none."""

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return self._errand is not None or bool(self._errands)

    def waiting(self) -> int:
        """How many points and sizes are not done yet."""
        return len(self._errands) + (self._errand is not None)

    def is_resizing(self) -> bool:
        """Whether the volume is, or will be, given another size."""
        for errand in self._errands:
            if errand.volume_bytes:
                return True
        return self._errand is not None and self._errand.volume_bytes > 0

    def interval_us(self) -> int:
        """How often a point is taken: in order `interval` often enough for the bound on lag."""
        asked = self._settings.point_interval_us
        if not self._closes:
            return asked
        most = self._settings.max_lag_us // 4
        return min(asked, most) if asked else most

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def start(self, now_us: int) -> list[Command]:
        """The process is up, or a period is over: wait for the next."""
        interval_us = self.interval_us()
        return [SetTimer(TIMER, now_us + interval_us)] if interval_us else []

    def request(self, event: ResizeRequested | PointRequested) -> list[Command]:
        """An operator asks; answered when the blob has it."""
        size = event.volume_bytes if isinstance(event, ResizeRequested) else 0
        if isinstance(event, ResizeRequested) and not is_size(size):
            return [Reply(event.op, EINVAL)]
        if size and self._gave_up:
            return [Reply(event.op, EIO)]
        operation = Operation(event.op, 0, 0, fua=False)
        operation.waits = CHANGE
        self._clients.operations.begin(operation)
        kind = PointKind.GROW if size else PointKind.REQUEST
        self._errands.append(Errand(kind, operation, size))
        self._limit_writes()
        return []

    def _limit_writes(self) -> None:
        """From the request on nothing is written to what will be cut off, or is not there yet."""
        pending = [e.volume_bytes for e in (self._errand, *self._errands) if e and e.volume_bytes]
        self._clients.limit_bytes = min((self._size_in_blob, *pending))

    def timer(self, now_us: int, key: str) -> list[Command]:
        """A period is over: a point, unless nothing was changed since the last one."""
        if key == RESUME_TIMER:
            return []
        if self._way.is_protected() and self._has_changed():
            self._close()
        return self.start(now_us)

    def close_before_leaving(self) -> bool:
        """Order `interval`: whether the last interval is still to be closed."""
        if self._closes and self._clients.gate.has_unclosed() and not self.busy:
            self._close()
        return self.busy

    def _close(self) -> None:
        if self._errand is not None and self._errand.operation is None:
            return
        for errand in self._errands:
            if errand.operation is None:
                return
        self._errands.append(Errand(PointKind.INTERVAL, None))

    def _has_changed(self) -> bool:
        return self._shipper.puts_done != self._puts_at_point or self._clients.gate.lag_bytes() > 0

    # ── carrying out ──────────────────────────────────────────────────────────────────────────

    def pump(self, now_us: int, *, stopping: bool) -> list[Command]:
        """Go on as far as possible; only while the volume is protected."""
        out: list[Command] = []
        if self._closes:
            if self._clients.wants_closing():
                # Somebody waits for the interval to be closed.
                self._close()
        elif self._errand is None and not self._errands:
            return out
        if self._step is IDLE:
            if not self._errands or now_us < self._resume_us:
                return out
            out += self._begin(now_us, self._errands.popleft())
        if self._step is WRITING:
            out += self._resize_volume()
        if self._step is DRAINING and self._barrier is None:
            self._shipper.open = False
            if self._shipper.is_idle():
                self._step = SECTION
                out += self._way.enter_online(self._goal(now_us), self._finished)
        elif self._step is SECTION and self._way.changing.is_limited():
            out += self._put_off(now_us, stopping=stopping)
        return out

    def pump_copying(self, now_us: int) -> list[Command]:
        """A copy is under way: a size is changed at once, a point has to wait (P10)."""
        out: list[Command] = []
        if self._errand is None:
            if not self._errands:
                return out
            resize = next((e for e in self._errands if e.volume_bytes), None)
            if resize is None:
                return out
            self._errands.remove(resize)
            out += self._begin(now_us, resize)
        if self._step is WRITING:
            out += self._resize_volume()
        errand = self._errand
        if self._step is DRAINING and errand is not None and errand.resized:
            goal = ChangeSize(errand.volume_bytes, Point(errand.kind, now_us))
            begun = self._way.change_copied(goal, self._copied)
            if begun is not None:
                self._step = SECTION
                out += begun
        return out

    def _copied(self, now_us: int, change: Section) -> list[Command]:
        """The blob is as large as the volume: the copy begins anew."""
        errand = self._errand
        assert errand is not None
        self._size_in_blob = errand.volume_bytes
        out = self._way.copy_anew(now_us, change)
        note = Note("resized", (("kind", str(errand.kind)),))
        return [note, *out, *self._end(now_us)]

    def _begin(self, now_us: int, errand: Errand) -> list[Command]:
        self._errand = errand
        size, present = errand.volume_bytes, self._way.volume_bytes
        if not size or errand.resized:
            self._drain()
            return []
        if size == present:
            return self._end(now_us)
        errand.kind = PointKind.GROW if size > present else PointKind.SHRINK
        self._step = WRITING
        return []

    def _resize_volume(self) -> list[Command]:
        """Once no client's write is on its way to what is cut off."""
        errand = self._errand
        assert errand is not None
        assert errand.operation is not None
        if self._clients.operations.reaches(self._clients.limit_bytes):
            return []
        self._step = VOLUME
        self.awaited_op = errand.operation.op
        return [LocalResize(self.awaited_op, errand.volume_bytes)]

    def volume_resized(self, now_us: int, error: int) -> list[Command]:
        """The local volume has its new size, or refused."""
        errand = self._errand
        assert errand is not None
        self.awaited_op = 0
        if error:
            return self._end(now_us, error)
        errand.resized = True
        self._way.volume_bytes = errand.volume_bytes
        self._drain()
        return []

    def _drain(self) -> None:
        """What was captured so far belongs before the change."""
        self._step = DRAINING
        barrier = Operation(-1, 0, 0, fua=False)
        self._clients.wait_for_blob(barrier)
        self._barrier = barrier if barrier.waits & REMOTE else None
        self._shipper.hurry = True

    def forget_barrier(self) -> None:
        """What was captured is dropped: the copy that follows brings it into the blob."""
        self._barrier = None

    def in_blob(self, batch: Batch) -> None:
        """A batch is known to be in the blob."""
        if self._barrier is not None and self._barrier in batch.waiters:
            self._barrier = None

    def _goal(self, now_us: int) -> Goal:
        errand = self._errand
        assert errand is not None
        point = Point(errand.kind, self._clients.cut_us(now_us))
        if not errand.volume_bytes:
            return TakePoint(point, self._settings.points_keep)
        size = ChangeSize(errand.volume_bytes, point)
        return InTurn(size, self._way.seal_goal(now_us)) if self._closes else size

    def _finished(self, now_us: int, change: Section) -> list[Command]:
        errand = self._errand
        assert errand is not None
        self.complaint = ""
        self._way.leave_online(change.number, change.etag)
        self._puts_at_point = self._shipper.puts_done
        out = self._delete(change)
        if self._closes:
            out += self._clients.close_interval(now_us)
        if errand.volume_bytes:
            self._size_in_blob = errand.volume_bytes
        note = Note("resized" if errand.volume_bytes else "point", (("kind", str(errand.kind)),))
        return [note, *out, *self._end(now_us)]

    def _end(self, now_us: int, error: int = 0) -> list[Command]:
        errand, self._errand = self._errand, None
        self._step = IDLE
        self._barrier = None
        self._shipper.hurry = False
        self._limit_writes()
        if errand is None or errand.operation is None:
            return []
        if error:
            return self._clients.operations.fail(errand.operation, error)
        return self._clients.operations.changed(now_us, errand.operation)

    def _put_off(self, now_us: int, *, stopping: bool) -> list[Command]:
        """No snapshot can be taken now: data goes on, the errand is tried again later."""
        errand = self._errand
        assert errand is not None
        self._way.leave_online(self._way.changing.leave().number, None)
        self.complaint = NO_SNAPSHOT
        note = Note("point-refused", (("kind", str(errand.kind)),))
        if stopping:
            out = [note, *self._end(now_us, EIO)]
            if errand.resized:
                out += self._give_up()
            return [*out, *self._shipper.pump(now_us)]
        self._errand = None
        self._step = IDLE
        self._errands.appendleft(errand)
        self._resume_us = now_us + LIMIT_BACKOFF_US
        again = SetTimer(RESUME_TIMER, self._resume_us)
        return [note, again, *self._shipper.pump(now_us)]

    # ── deletions ─────────────────────────────────────────────────────────────────────────────

    def _delete(self, change: Section) -> list[Command]:
        """Delete what the blob is known to call doomed, and nothing else (P8)."""
        there = [sid for sid, _ in change.view.snapshots or ()]
        under_way = set(self.deleting.values())
        out: list[Command] = []
        for sid in change.view.state().doomed:
            if sid in there and sid not in under_way:
                command = DeleteSnapshot(self._next_id(), sid)
                self.deleting[command.id] = sid
                out.append(command)
        return out

    def handle(self, event: StoreAnswer) -> list[Command]:
        """Deleted, or there was none: forget it. Otherwise the next point tries again."""
        sid = self.deleting.pop(event.id)
        gone = isinstance(event, Failed) and event.refusal is Refusal.NOT_FOUND
        if isinstance(event, Done) or gone:
            self._way.changing.forget_snapshot(sid)
        return []

    def _give_up(self) -> list[Command]:
        """The volume has a size that the blob gets at the next start, which compares them (H26).

        Until then no other size may be given: one that hides the cut would leave old data there.
        """
        self._gave_up = True
        resizes = [errand for errand in self._errands if errand.volume_bytes]
        self._errands = deque(errand for errand in self._errands if not errand.volume_bytes)
        self._limit_writes()
        out: list[Command] = []
        for errand in resizes:
            if errand.operation is not None:
                out += self._clients.operations.fail(errand.operation, EIO)
        return out
