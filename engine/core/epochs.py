"""The queue of epochs: which writes may be put together, and in which order (protocol.md P7).

An epoch is a set of writes with no order among them. Order `strict`: a write opens a new epoch when
some write of the open one was acknowledged before it was invoked. Order `flush`: an epoch ends at a
flush or a FUA write, as a disk with a volatile cache may order. The next epoch is put only when
every request of the one before is known to be applied; adjacent epochs travel in one request only
if that request holds everything not yet applied up to its last epoch (H19), for one request is
atomic.
"""

from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from engine.core.extent import Extent
from engine.core.payload_map import PayloadMap
from engine.units import PUT_BYTES_MAX


class Order(StrEnum):
    """Which order among writes the blob keeps."""

    STRICT = "strict"
    FLUSH = "flush"
    INTERVAL = "interval"
    """No order in the live blob: only the recovery point that closes each interval is an image."""


class Waiter(Protocol):
    """Somebody to tell when an epoch is known to be in the blob."""

    op: int


class Epoch:
    """Writes with no order among them, and who waits for them.

    `oldest_us`: earliest arrival; `size`: of all the writes, also of those that others overlay, for
    that much may be acknowledged and lost.
    """

    __slots__ = ("acknowledged", "content", "oldest_us", "size", "waiters")

    def __init__(self) -> None:
        self.content = PayloadMap()
        self.oldest_us = 0
        self.size = 0
        self.acknowledged = False
        self.waiters: list[Waiter] = []


class Batch:
    """What is put now: the requests of one epoch, or one atomic request of several.

    Who waits for the epoch waits for the batch from now on.
    """

    __slots__ = ("extents", "oldest_us", "size", "waiters")

    def __init__(self, epoch: Epoch) -> None:
        self.extents: list[Extent] = epoch.content.extents()
        self.size = epoch.size
        self.oldest_us = epoch.oldest_us
        self.waiters, epoch.waiters = epoch.waiters, []


class EpochQueue:
    """Writes in arrival order, grouped into epochs; nothing in it was sent yet."""

    def __init__(self, order: Order) -> None:
        self._is_strict = order is Order.STRICT
        self._sealed: deque[Epoch] = deque()
        self.open = Epoch()
        self.size = 0

    def write(
        self, now_us: int, offset: int, length: int, payload: object, *, barrier: bool
    ) -> Epoch:
        """Add a write (payload None: zeros); `barrier`: a FUA write, which ends its epoch.

        Returns the epoch that the write belongs to.
        """
        if self._is_strict and self.open.acknowledged:
            self.seal()
        epoch = self.open
        content = epoch.content
        if not content.covered:
            epoch.oldest_us = now_us
        content.write(offset, length, payload)
        epoch.size += length
        self.size += length
        if barrier:
            self.seal()
        return epoch

    def seal(self) -> None:
        """End the open epoch: later writes come after it."""
        epoch = self.open
        if epoch.content.covered or epoch.waiters:
            self._sealed.append(epoch)
            self.open = Epoch()

    def last(self) -> Epoch | None:
        """The newest epoch that holds anything."""
        if self.open.content.covered or self.open.waiters:
            return self.open
        return self._sealed[-1] if self._sealed else None

    def touched(self) -> Iterator[int]:
        """Offsets, one at least a MiB, near which something is queued."""
        for epoch in (*self._sealed, self.open):
            if epoch.content.covered:
                yield from epoch.content.touched()

    def oldest_us(self) -> int | None:
        """Arrival of the oldest write that waits here, None if nothing waits."""
        first = self._sealed[0] if self._sealed else self.open
        return first.oldest_us if first.content.covered else None

    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self._sealed or self.open.content.covered or self.open.waiters)

    def clear(self) -> None:
        """Forget everything: it will reach the blob in another way."""
        self._sealed.clear()
        self.open = Epoch()
        self.size = 0

    def take(self) -> Batch | None:
        """Remove and return what may be sent next, provided that nothing is in flight."""
        self.seal()
        if not self._sealed:
            return None
        first = self._sealed.popleft()
        while self._sealed and _may_join(first, self._sealed[0]):
            newer = self._sealed.popleft()
            first.size += newer.size
            first.content.merge(newer.content)
            first.waiters.extend(newer.waiters)
            newer.waiters = []
        self.size -= first.size
        return Batch(first)


def _may_join(first: Epoch, newer: Epoch) -> bool:
    """Whether both together are one atomic request (H19)."""
    a, b = first.content, newer.content
    if not b.covered or not a.covered:
        return True
    if not (a.is_contiguous() and b.is_contiguous() and a.joins(b)):
        return False
    return max(a.high, b.high) - min(a.low, b.low) <= PUT_BYTES_MAX
