"""The clients of one volume: their operations, what of them is queued for the blob, when to answer.

A write is executed locally and, while `capturing`, queued for the blob with the bytes it came with.
When it may be answered is the gate's to say (gate.py).
"""

from collections.abc import Iterable

from engine.core.dirty import regions_of
from engine.core.epochs import Batch, EpochQueue, Order, Waiter
from engine.core.gate import Gate, Unclosed
from engine.core.messages import (
    EIO,
    Command,
    FlushRequested,
    LocalFlush,
    LocalWrite,
    LocalZero,
    PointRequested,
    Reply,
    ResizeRequested,
    WriteRequested,
    ZeroRequested,
)
from engine.core.operations import DURABLE, REMOTE, Operation, Operations
from engine.core.settings import ASYNC, REGION_BYTES, SYNC, SYNC_ON_FLUSH, VolumeSettings
from engine.core.shipping import Shipper

REQUESTS = WriteRequested | ZeroRequested | FlushRequested | ResizeRequested | PointRequested


class Clients:
    """Operations in arrival order, from their request to their reply."""

    def __init__(
        self, settings: VolumeSettings, queue: EpochQueue, shipper: Shipper, gate: Gate
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._shipper = shipper
        self.gate = gate
        self.operations = Operations(gate)
        self.capturing = False
        self.limit_bytes = settings.volume_bytes
        """No write may end beyond this."""
        self._closes = settings.order is Order.INTERVAL

    def begin(self, event: WriteRequested | ZeroRequested) -> Operation:
        """A write or zero arrived."""
        operation = Operation(event.op, event.offset, event.length, fua=event.fua)
        if event.fua:
            operation.waits |= DURABLE
        self.operations.begin(operation)
        return operation

    def issue(
        self, now_us: int, operation: Operation, event: WriteRequested | ZeroRequested
    ) -> Command:
        """Queue it for the blob, which sets its `epoch`, or not; say what the volume has to do."""
        if self.capturing:
            payload = event.payload if isinstance(event, WriteRequested) else None
            self._capture(now_us, operation, payload)
        if isinstance(event, ZeroRequested):
            return LocalZero(event.op, event.offset, event.length)
        return LocalWrite(event.op, event.offset, event.length, event.payload)

    def flush(self, op: int) -> list[Command]:
        """Begin a flush: it ends an epoch in order `flush`, waits for the blob in sync modes."""
        operation = Operation(op, 0, 0, fua=False)
        operation.waits = DURABLE
        self.operations.begin(operation)
        if self.capturing:
            if self._settings.order is Order.FLUSH:
                self._queue.seal()
            if self._settings.mode is not ASYNC:
                self.wait_for_blob(operation)
                if self.gate.has_unclosed() and not operation.waits & REMOTE:
                    self.gate.unclosed.waiters.append(operation)
                    operation.waits |= REMOTE
        return [LocalFlush(op)]

    def wait_for_blob(self, operation: Operation) -> None:
        """Make the operation wait for everything that was captured so far."""
        last = self._queue.last()
        if last is not None:
            last.waiters.append(operation)
        elif self._shipper.batch is not None:
            self._shipper.batch.waiters.append(operation)
        else:
            return
        operation.waits |= REMOTE

    def forget_captured(self, now_us: int, *, guarded: bool = False) -> list[Command]:
        """The volume will be copied: what is queued would put older content over newer.

        guarded: the blob may be failed over to meanwhile, to a pinned point.
        """
        self.capturing = False
        self.gate.guarded = guarded
        self._queue.clear()
        self.gate.unclosed = Unclosed()
        self._shipper.forget()
        return self.operations.forget_captured(now_us)

    def in_blob(self, now_us: int, batch: Batch) -> list[Command]:
        """A batch is known to be in the blob: answer who waited for nothing else."""
        if self._closes:
            self.gate.unclosed.waiters += batch.waiters
            return []
        return self._answer(now_us, batch.waiters)

    def _answer(self, now_us: int, waiters: Iterable[Waiter]) -> list[Command]:
        out: list[Command] = []
        for waiter in waiters:
            if isinstance(waiter, Operation):
                out += self.operations.remote_done(now_us, waiter)
        return out

    def turn_away(self, event: object) -> list[Command]:
        """This site answers no more: fail the operation at once."""
        if isinstance(event, REQUESTS):
            return [Reply(event.op, EIO)]
        return []

    # ── intervals ─────────────────────────────────────────────────────────────────────────────

    def cut_us(self, now_us: int) -> int:
        """While nothing is in flight: all that was acknowledged before this time is in the blob."""
        oldest = self._queue.oldest_us()
        return now_us if oldest is None else min(now_us, oldest)

    def wants_closing(self) -> bool:
        """Order `interval`: whether somebody waits for the interval to be closed."""
        gate = self.gate
        return bool(gate.unclosed.waiters or (gate.has_unclosed() and self.operations.held))

    def close_interval(self, now_us: int) -> list[Command]:
        """Order `interval`: the point that holds all that is in the blob is declared."""
        closed, left = self.gate.unclosed, Unclosed()
        left.oldest_us = self._queue.oldest_us()
        left.size = self._queue.size
        self.gate.unclosed = left
        return self._answer(now_us, closed.waiters)

    # ── the queue ─────────────────────────────────────────────────────────────────────────────

    def busy_regions(self) -> set[int]:
        """Regions of the bitmap with a local write or a put under way, or something queued."""
        busy = {start // REGION_BYTES for start in self._queue.touched()}
        for offset, length in self._shipper.touched():
            busy.update(regions_of(offset, length))
        for operation in self.operations.unwritten():
            busy.update(regions_of(operation.offset, operation.length))
        return busy

    def _capture(self, now_us: int, operation: Operation, payload: object) -> None:
        """Queue the write; a FUA write ends its epoch, for a later write may rely on it."""
        mode = self._settings.mode
        epoch = self._queue.write(
            now_us, operation.offset, operation.length, payload, barrier=operation.fua
        )
        operation.epoch = epoch
        if self._closes:
            self.gate.unclosed.add(now_us, operation.length)
        if mode is SYNC or (operation.fua and mode is SYNC_ON_FLUSH):
            operation.waits |= REMOTE
            epoch.waiters.append(operation)
