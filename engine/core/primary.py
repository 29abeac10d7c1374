"""The primary of one volume: client operations in, blob requests out.

Everything revolves around `PrimaryMachine.handle`. Its life (protocol.md section 3, States):

    CREATING -> OWNING -> SEEDING -> SEALING -> RUNNING -> STOPPING -> STOPPED
                  |  ^---------- lease lost -------'
                  '-> DEMOTED (another node owns the blob), REFUSED, HALTED (needs an operator)

The way to RUNNING is in protecting.py, the clients' operations are in clients.py. From RUNNING on
the blob is, after every single request, a valid disk that the volume could have shown after a
crash. Status and acknowledgements never promise more than the phase gives (H18, H39).
"""

from collections.abc import Callable
from itertools import count
from typing import Any, Final

from engine.core import dirty, lease_keeper, leaving, shipping, upkeep
from engine.core.clients import Clients
from engine.core.dirty import ClientWrite, DirtyRegions
from engine.core.epochs import Batch, EpochQueue
from engine.core.gate import Gate
from engine.core.lease_keeper import LeaseKeeper
from engine.core.leaving import Leaving
from engine.core.messages import (
    EIO,
    BitsDurable,
    BitsFailed,
    Command,
    Done,
    Event,
    Failed,
    FlushRequested,
    LeaseReady,
    LocalDone,
    LocalFailed,
    Note,
    PointRequested,
    Reply,
    ResizeRequested,
    Started,
    StopRequested,
    StoreAnswer,
    TimerFired,
    Unknown,
    VolumeRead,
    VolumeReadFailed,
    WriteRequested,
    ZeroRequested,
)
from engine.core.operations import LOCAL, Operation
from engine.core.primary_status import (
    COPYING,
    ENDED,
    PROMISING,
    RUNNING,
    SEALING,
    STOPPING,
    Phase,
    PrimaryStatus,
    Standing,
)
from engine.core.protecting import Protecting
from engine.core.settings import VolumeSettings
from engine.core.shipping import Shipper
from engine.core.upkeep import Upkeep

__all__ = ["ENDED", "PROMISING", "Phase", "PrimaryMachine"]


class PrimaryMachine:
    """Decides for one volume; owns no clock, no randomness, no I/O."""

    __deletable__ = ("_clients", "_leaving", "_operations", "_shipper", "_upkeep", "_way")  # mypyc

    def __init__(self, settings: VolumeSettings) -> None:
        self._next_id = count(1).__next__
        self._standing = Standing()
        self._queue = EpochQueue(settings.order)
        self._keeper = LeaseKeeper(settings.lease_seconds, self._next_id)
        self._shipper = Shipper(
            self._queue, settings.connections, self._next_id, self._finished,
            linger_us=settings.linger_us(),
        )  # fmt: skip
        gate = Gate(settings, self._standing, self._queue, self._shipper, self._keeper)
        self._clients = Clients(settings, self._queue, self._shipper, gate)
        self._operations = self._clients.operations
        self._dirty = DirtyRegions(self._next_id)
        self._way = Protecting(
            settings, self._standing, self._clients, self._shipper, self._keeper, self._dirty,
            self._next_id, end=self._end, fenced=self._fenced,
        )  # fmt: skip
        self._leaving = Leaving(self._next_id, self._end)
        self._upkeep = Upkeep(settings, self._clients, self._shipper, self._way, self._next_id)
        self._replies: list[Command] = []
        self._now_us = 0

    def dissolve(self) -> None:
        """Let go of its parts, some of which refer to it; nothing may be asked of it any more."""
        if self._way.changing.is_open():
            self._way.changing.leave()
        del self._clients, self._leaving, self._operations, self._shipper, self._upkeep, self._way

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        return self._standing.phase

    @property
    def reason(self) -> str:
        """Why it is not protected, or why it ended."""
        return self._standing.reason

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event, decide, return what is to be done. The only entry."""
        self._now_us = now_us
        if self._standing.ended:
            return self._clients.turn_away(event)
        react = REACTIONS.get(type(event))
        return [] if react is None else react(self, now_us, event)

    @staticmethod
    def reactions() -> "dict[type, Reaction]":
        """What it does about each event: the table of the machine."""
        return {
            LocalDone: PrimaryMachine._local_done,
            **dict.fromkeys((WriteRequested, ZeroRequested), PrimaryMachine._write),
            **dict.fromkeys((Done, Failed, Unknown), PrimaryMachine._answer),
            FlushRequested: PrimaryMachine._flush,
            TimerFired: PrimaryMachine._timer,
            VolumeRead: PrimaryMachine._volume_read,
            VolumeReadFailed: PrimaryMachine._volume_unreadable,
            LeaseReady: PrimaryMachine._lease_ready,
            LocalFailed: PrimaryMachine._local_failed,
            BitsDurable: PrimaryMachine._bits_durable,
            BitsFailed: PrimaryMachine._bits_failed,
            Started: PrimaryMachine._start,
            **dict.fromkeys((ResizeRequested, PointRequested), PrimaryMachine._request),
            StopRequested: PrimaryMachine._stop,
        }

    def status(self, now_us: int) -> PrimaryStatus:
        """What may honestly be said now."""
        gate, keeper, shipper = self._clients.gate, self._keeper, self._shipper
        phase, errands = self._standing.phase, self._upkeep.waiting()
        oldest = gate.oldest_us()
        walked, whole = self._way.copying.progress()
        recoverable, kind, taken_us = self._way.changing.recoverable()
        reason = self._standing.reason or self._upkeep.complaint or self._way.changing.complaint()
        bound = phase is RUNNING and keeper.holds(now_us) and gate.is_within_bound(now_us)
        operations, lag_us = self._operations, 0 if oldest is None else now_us - oldest
        return PrimaryStatus(  # by position, which is eight times as fast
            phase, reason, bound, max(0, keeper.authority_us - now_us),
            lag_us, gate.lag_bytes(), shipper.in_flight(),
            len(operations), len(operations.held), operations.acknowledged,
            shipper.puts_done, shipper.bytes_done, shipper.puts_refused, shipper.puts_unknown,
            walked, whole, self._way.volume_bytes, recoverable, kind, taken_us,
            errands > 0 and self._upkeep.is_resizing(), errands,
        )  # fmt: skip

    # ── client operations ─────────────────────────────────────────────────────────────────────

    def _write(self, now_us: int, event: ClientWrite) -> list[Command]:
        if self._leaving.began:
            # The blob's ETag is being recorded as that of this volume: neither may change now.
            return self._clients.turn_away(event)
        if event.offset + event.length > self._clients.limit_bytes:
            return [Reply(event.op, EIO)]
        operation = self._clients.begin(event)
        if not self._dirty.admit(operation, event):
            return self._dirty.wait(operation, event)
        return [self._issue(now_us, operation, event)]

    def _issue(self, now_us: int, operation: Operation, event: ClientWrite) -> Command:
        """The bits of the write are durable: the volume may have it, and the blob."""
        command = self._clients.issue(now_us, operation, event)
        if operation.epoch is None:
            self._way.copying.write_began(operation)
        return command

    def _flush(self, _now_us: int, event: FlushRequested) -> list[Command]:
        if self._leaving.began:
            return self._clients.turn_away(event)
        return self._clients.flush(event.op)

    def _request(self, now_us: int, event: ResizeRequested | PointRequested) -> list[Command]:
        if self._leaving.began:
            return self._clients.turn_away(event)
        return self._settle(now_us, self._upkeep.request(event))

    def _local_done(self, now_us: int, event: LocalDone) -> list[Command]:
        op = event.op
        if op == self._upkeep.awaited_op:
            return self._settle(now_us, self._upkeep.volume_resized(now_us, 0))
        operation = self._operations.get(op)
        if operation is None:
            return self._flushed(now_us, op)
        wrote = operation.waits & LOCAL
        out = self._operations.local_done(now_us, operation)
        if wrote and operation.epoch is None:
            out += self._way.copying.write_ended(now_us, operation)
        if wrote or self._standing.phase is STOPPING:
            return self._settle(now_us, out)
        return out

    def _local_failed(self, now_us: int, event: LocalFailed) -> list[Command]:
        """The volume refused: the client hears of it.

        A captured write stays in the queue: an unacknowledged write may be there or not.
        """
        if event.op == self._upkeep.awaited_op:
            return self._settle(now_us, self._upkeep.volume_resized(now_us, event.error))
        operation = self._operations.get(event.op)
        if operation is None:
            return self._flush_failed(event)
        if operation.waits & LOCAL and operation.epoch is not None:
            self._dirty.spoil(operation.offset, operation.length)
        out = self._operations.fail(operation, event.error)
        out.append(Note("local-error", (("errno", event.error), ("offset", operation.offset))))
        if operation.waits & LOCAL and operation.epoch is None:
            out += self._way.copying.write_ended(now_us, operation)
        return self._settle(now_us, out)

    def _volume_read(self, now_us: int, event: VolumeRead) -> list[Command]:
        return self._settle(now_us, self._way.copying.volume_read(now_us, event))

    def _volume_unreadable(self, now_us: int, event: VolumeReadFailed) -> list[Command]:
        note = Note("volume-unreadable", (("errno", event.error),))
        return [note, *self._way.copying.volume_failed(now_us, event.id)]

    # ── the write-intent bitmap ───────────────────────────────────────────────────────────────

    def _start(self, now_us: int, event: Started) -> list[Command]:
        self._dirty.load(event.dirty or ())
        timers = [*self._dirty.arm(now_us), *self._upkeep.start(now_us)]
        return [*timers, *self._way.start(event)]

    def _bits_durable(self, now_us: int, event: BitsDurable) -> list[Command]:
        ready = self._dirty.durable(event.id)
        out = self._dirty.arm(now_us)
        out += [self._issue(now_us, operation, write) for operation, write in ready]
        return self._settle(now_us, [*out, *self._way.bits_durable(now_us)])

    def _bits_failed(self, now_us: int, event: BitsFailed) -> list[Command]:
        """The volume must not have what a crash would forget: these writes fail."""
        failing, ready = self._dirty.failed(event.id)
        out: list[Command] = [Note("bitmap-error", (("errno", event.error),))]
        for operation in failing:
            out += self._operations.fail(operation, EIO)
        out += [self._issue(now_us, operation, write) for operation, write in ready]
        return self._settle(now_us, [*out, *self._dirty.arm(now_us)])

    def _clean(self, now_us: int) -> list[Command]:
        running = self._standing.phase is RUNNING
        return self._dirty.tick(now_us, self._clients.busy_regions() if running else None)

    def _flushed(self, now_us: int, op: int) -> list[Command]:
        """A flush of the machine's own is done."""
        out = self._dirty.flushed(op)
        if self._leaving.is_waiting():
            return [*out, *self._leaving.look()]
        out += self._way.copying.flushed(now_us, op)
        return self._settle(now_us, out)

    def _flush_failed(self, event: LocalFailed) -> list[Command]:
        self._dirty.flush_failed(event.op)
        if self._leaving.is_waiting():
            # The bits stay, and without the ETag the next start goes by them.
            detail = f"stopped, but the volume cannot be flushed (errno {event.error})"
            return self._end(Phase.STOPPED, detail)
        return self._way.copying.volume_failed(self._now_us, event.op)

    def _finished(self, batch: Batch) -> None:
        """The shipper: a batch is known to be in the blob."""
        self._way.copying.in_blob(batch)
        self._upkeep.in_blob(batch)
        self._replies += self._clients.in_blob(self._now_us, batch)

    # ── answers and timers ────────────────────────────────────────────────────────────────────

    def _answer(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if event.id == self._keeper.awaited:
            return self._renewed(now_us, event)
        if event.id == self._leaving.awaited:
            return self._leaving.handle(now_us, event)
        if event.id in self._upkeep.deleting:
            return self._upkeep.handle(event)
        out = self._way.answer(now_us, event)
        if out is None:
            out = self._shipper.handle(now_us, event)
        return self._settle(now_us, out)

    def _lease_ready(self, now_us: int, event: LeaseReady) -> list[Command]:
        return self._settle(now_us, self._way.lease_ready(now_us, event))

    def _timer(self, now_us: int, event: TimerFired) -> list[Command]:
        key = event.key
        if key == shipping.TIMER:
            return self._settle(now_us, [])
        if key == dirty.TIMER:
            return self._clean(now_us)
        if key == lease_keeper.TIMER:
            return self._keeper.timer(now_us)
        if key == leaving.TIMER:
            return self._leaving.look() if self._leaving.is_waiting() else []
        if key in (upkeep.TIMER, upkeep.RESUME_TIMER):
            return self._settle(now_us, self._upkeep.timer(now_us, key))
        return self._settle(now_us, self._way.timer(now_us, key))

    def _settle(self, now_us: int, out: list[Command]) -> list[Command]:
        """Send what may be sent, answer what may be answered, finish what waits for emptiness."""
        if self._standing.ended:
            return out
        shipper = self._shipper
        if shipper.batch is not None or self._queue.size:
            out += shipper.pump(now_us)
        if self._replies:
            out += self._replies
            self._replies = []
        if self._operations.held:
            out += self._operations.release(now_us)
        if shipper.trouble is not None:
            return [*out, *self._in_trouble(now_us, shipper.trouble)]
        phase = self._standing.phase
        if phase is RUNNING:
            out += self._upkeep.pump(now_us, stopping=False)
        elif phase is STOPPING:
            out += self._upkeep.pump(now_us, stopping=True)
            out += self._release_when_drained(now_us)
        elif phase is SEALING:
            out += self._way.seal_when_drained(now_us)
        elif phase in COPYING:
            out += self._upkeep.pump_copying(now_us)
        return out

    def _in_trouble(self, now_us: int, trouble: shipping.Trouble) -> list[Command]:
        if trouble is shipping.Trouble.FENCED:
            return self._fenced(now_us, self._shipper.detail)
        if trouble is shipping.Trouble.REGRESSED and self._standing.phase is RUNNING:
            self._upkeep.forget_barrier()
            return self._way.start_over(now_us, self._shipper.detail)
        return self._end(Phase.HALTED, self._shipper.detail)

    def _renewed(self, now_us: int, event: StoreAnswer) -> list[Command]:
        out = self._keeper.handle(now_us, event)
        if self._keeper.lost:
            detail = event.detail if isinstance(event, Failed) else ""
            return [*out, *self._fenced(now_us, detail)]
        return self._settle(now_us, out)

    def _fenced(self, now_us: int, detail: str) -> list[Command]:
        """The lease is not ours any more: stop acknowledging, find out who owns the blob."""
        if self._standing.phase is Phase.OWNING:
            return []
        if self._standing.phase is STOPPING:
            return self._end(Phase.STOPPED, "the lease was lost while stopping: " + detail)
        self._keeper.forget()
        self._shipper.trouble = shipping.Trouble.FENCED
        self._standing.reason = f"the lease was lost: {detail}"
        fields = (("detail", detail), ("puts_refused", self._shipper.puts_refused))
        return [Note("fenced", fields), *self._way.own_again(now_us)]

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def _end(self, phase: Phase, detail: str) -> list[Command]:
        self._standing.phase = phase
        self._standing.reason = detail
        self._standing.ended = True
        self._keeper.forget()
        self._shipper.open = False
        self._dirty.drop_parked()
        fields = (("reason", detail), ("etag", self._leaving.etag))
        replies, self._replies = self._replies, []
        return [*replies, Note(phase.value, fields), *self._operations.fail_all()]

    def _stop(self, now_us: int, _event: StopRequested) -> list[Command]:
        if self.phase is STOPPING:
            return []
        if self.phase is not RUNNING:
            return self._end(Phase.STOPPED, f"stopped while {self.phase.value}")
        self._standing.phase = STOPPING
        self._shipper.hurry = True
        return self._settle(now_us, [])

    def _release_when_drained(self, now_us: int) -> list[Command]:
        self._shipper.hurry = True
        if not (self._queue.is_empty() and self._shipper.is_idle()) or self._leaving.began:
            return []
        if self._upkeep.close_before_leaving():
            return self._upkeep.pump(now_us, stopping=True)
        if len(self._operations) or self._dirty.is_flushing():
            return []
        self._leaving.begin(self._way.changing.lease)
        return self._dirty.settle(()) or self._leaving.look()


Reaction = Callable[[PrimaryMachine, int, Any], list[Command]]
REACTIONS: Final = PrimaryMachine.reactions()
"""A table of the module's, for a compiled class has none of its own methods in its body."""
