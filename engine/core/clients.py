"""The clients of one volume: their operations, what of them is queued for the blob, when to answer.

A write is executed locally and, while `capturing`, queued for the blob with the bytes it came with.
While `guarded`, the blob may be failed over to without asking this node, so nothing is acknowledged
without surely valid authority, whatever the mode (protocol.md H11, P6): a node that was paused must
wake up silent.

Where a mode runs ahead of the blob, acknowledgements stop at the bound in bytes and at half the
bound in time, and clients stop asking when they get no answers: an outage of the store, however
long, fills the queue to its bound and not further, so it never overflows into a resync (H21).
"""

from collections.abc import Iterable

from engine.core.dirty import regions_of
from engine.core.epochs import Batch, EpochQueue, Order, Waiter
from engine.core.lease_keeper import LeaseKeeper
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
from engine.core.primary_status import ACKNOWLEDGING, Standing
from engine.core.settings import ASYNC, REGION_BYTES, SYNC, SYNC_ON_FLUSH, VolumeSettings
from engine.core.shipping import Shipper

REQUESTS = WriteRequested | ZeroRequested | FlushRequested | ResizeRequested | PointRequested


class Unclosed:
    """Order `interval`: what was captured since the last closing point, and who waits for it."""

    __slots__ = ("oldest_us", "size", "waiters")

    def __init__(self) -> None:
        self.oldest_us: int | None = None
        self.size = 0
        self.waiters: list[Waiter] = []

    def add(self, now_us: int, length: int) -> None:
        """A write was captured."""
        if self.oldest_us is None:
            self.oldest_us = now_us
        self.size += length


class Clients:
    """Operations in arrival order, from their request to their reply."""

    def __init__(
        self,
        settings: VolumeSettings,
        standing: Standing,
        queue: EpochQueue,
        shipper: Shipper,
        keeper: LeaseKeeper,
    ) -> None:
        self._settings = settings
        self._standing = standing
        self._queue = queue
        self._shipper = shipper
        self._keeper = keeper
        self.operations = Operations(self._may_acknowledge)
        self.capturing = False
        self.guarded = False
        self.limit_bytes = settings.volume_bytes
        """No write may end beyond this."""
        self._closes = settings.order is Order.INTERVAL
        self._unclosed = Unclosed()

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
                if self.has_unclosed() and not operation.waits & REMOTE:
                    self._unclosed.waiters.append(operation)
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
        self.guarded = guarded
        self._queue.clear()
        self._unclosed = Unclosed()
        self._shipper.forget()
        return self.operations.forget_captured(now_us)

    def in_blob(self, now_us: int, batch: Batch) -> list[Command]:
        """A batch is known to be in the blob: answer who waited for nothing else."""
        if self._closes:
            self._unclosed.waiters += batch.waiters
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

    def has_unclosed(self) -> bool:
        """Order `interval`: whether anything is not in the point that closed the last interval."""
        return self._unclosed.oldest_us is not None

    def wants_closing(self) -> bool:
        """Order `interval`: whether somebody waits for the interval to be closed."""
        return bool(self._unclosed.waiters or (self.has_unclosed() and self.operations.held))

    def close_interval(self, now_us: int) -> list[Command]:
        """Order `interval`: the point that holds all that is in the blob is declared."""
        closed, self._unclosed = self._unclosed, Unclosed()
        self._unclosed.oldest_us = self._queue.oldest_us()
        self._unclosed.size = self._queue.size
        return self._answer(now_us, closed.waiters)

    # ── lag ───────────────────────────────────────────────────────────────────────────────────

    def busy_regions(self) -> set[int]:
        """Regions of the bitmap with a local write or a put under way, or something queued."""
        busy = {start // REGION_BYTES for start in self._queue.touched()}
        for offset, length in self._shipper.touched():
            busy.update(regions_of(offset, length))
        for operation in self.operations.unwritten():
            busy.update(regions_of(operation.offset, operation.length))
        return busy

    def lag_bytes(self) -> int:
        """Bytes that are not known to be in the blob, or in what of it a failover would use."""
        if self._closes:
            return self._unclosed.size
        return self._queue.size + self._shipper.unsent_bytes()

    def is_within_bound(self, now_us: int) -> bool:
        """Whether what the mode promises holds now: past the bound a store outage shows (H39).

        In bytes it always holds: what would pass that bound is held back, and not acknowledged.
        """
        if self._settings.mode is not ASYNC:
            return True
        oldest = self.oldest_us()
        return oldest is None or now_us - oldest <= self._settings.max_lag_us

    def oldest_us(self) -> int | None:
        """Arrival of the oldest write that is not known to be there."""
        if self._closes:
            return self._unclosed.oldest_us
        batch = self._shipper.batch
        if batch is not None:
            return batch.oldest_us
        return self._queue.oldest_us() if self._queue.size else None

    def _capture(self, now_us: int, operation: Operation, payload: object) -> None:
        """Queue the write; a FUA write ends its epoch, for a later write may rely on it."""
        mode = self._settings.mode
        epoch = self._queue.write(
            now_us, operation.offset, operation.length, payload, barrier=operation.fua
        )
        operation.epoch = epoch
        if self._closes:
            self._unclosed.add(now_us, operation.length)
        if mode is SYNC or (operation.fua and mode is SYNC_ON_FLUSH):
            operation.waits |= REMOTE
            epoch.waiters.append(operation)

    def _may_acknowledge(self, now_us: int) -> bool:
        """Is authority sure, and, where the mode runs ahead of the blob, the lag within bounds?"""
        answering = self._standing.phase in ACKNOWLEDGING
        if self.guarded and not (answering and self._keeper.holds(now_us)):
            return False
        mode = self._settings.mode
        if mode is SYNC:
            return True
        if self.lag_bytes() > self._settings.max_lag_bytes:
            return False
        if mode is not ASYNC or not self.guarded:
            return True
        oldest = self.oldest_us()
        # Half the bound: the other half is for what was acknowledged already to arrive.
        return oldest is None or now_us - oldest <= self._settings.max_lag_us // 2
