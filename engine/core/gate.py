"""The gate of acknowledgements: is authority sure, and the lag within its bounds?

While `guarded`, the blob may be failed over to without asking this node, so nothing is acknowledged
without surely valid authority, whatever the mode (protocol.md H11, P6): a node that was paused must
wake up silent.

Where a mode runs ahead of the blob, acknowledgements stop at the bound in bytes and at half the
bound in time, and clients stop asking when they get no answers: an outage of the store, however
long, fills the queue to its bound and not further, so it never overflows into a resync (H21).
"""

from engine.core.epochs import EpochQueue, Order, Waiter
from engine.core.lease_keeper import LeaseKeeper
from engine.core.primary_status import ACKNOWLEDGING, Standing
from engine.core.settings import ASYNC, SYNC, VolumeSettings
from engine.core.shipping import Shipper

__all__ = ["Gate", "Unclosed"]


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


class Gate:
    """What an operation passes last; `unclosed` stays empty but in order `interval`."""

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
        self._closes = settings.order is Order.INTERVAL
        self.guarded = False
        self.unclosed = Unclosed()

    def may_acknowledge(self, now_us: int) -> bool:
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

    def has_unclosed(self) -> bool:
        """Order `interval`: whether anything is not in the point that closed the last interval."""
        return self.unclosed.oldest_us is not None

    def lag_bytes(self) -> int:
        """Bytes that are not known to be in the blob, or in what of it a failover would use."""
        if self._closes:
            return self.unclosed.size
        return self._queue.size + self._shipper.unsent_bytes()

    def oldest_us(self) -> int | None:
        """Arrival of the oldest write that is not known to be there."""
        if self._closes:
            return self.unclosed.oldest_us
        batch = self._shipper.batch
        if batch is not None:
            return batch.oldest_us
        return self._queue.oldest_us() if self._queue.size else None

    def is_within_bound(self, now_us: int) -> bool:
        """Whether what the mode promises holds now: past the bound a store outage shows (H39).

        In bytes it always holds: what would pass that bound is held back, and not acknowledged.
        """
        if self._settings.mode is not ASYNC:
            return True
        oldest = self.oldest_us()
        return oldest is None or now_us - oldest <= self._settings.max_lag_us
