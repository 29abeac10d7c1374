"""Planted bugs: writes that reach the blob in an order that the volume never had."""

from dataclasses import replace
from typing import Any, Final

from msgspec.structs import replace as altered

from engine.core import epochs
from engine.core.clients import Clients
from engine.core.epochs import EpochQueue
from engine.core.messages import Clear, Put
from engine.core.payload_map import PayloadMap
from engine.core.sent_pages import SentPages
from engine.core.shipping import Shipper
from harness.mutants.mutant import SPOILT, Planting, register

__all__ = ["drop_put_at_epoch_end", "start_next_epoch_early"]

OLDER_OVER_NEWER: Final = (
    "crash-consistent", "no-acked-loss", "points-honest", "status-honest", "live", "rpo",
)  # fmt: skip
"""What else is broken where a late request puts an older page over a newer one."""


@register("drop-a-put-at-an-epochs-end", "crash-consistent", also=SPOILT)
def drop_put_at_epoch_end(planting: Planting) -> None:
    """The last request of an epoch of several is never sent."""
    next_batch: Any = Shipper._next_batch

    def changed(self: Any) -> None:
        next_batch(self)
        if len(self._todo) > 1:
            self._todo.pop()

    planting.replace(Shipper, "_next_batch", changed)


@register("start-the-next-epoch-early", "crash-consistent", also=(*SPOILT, "ordered-once"))
def start_next_epoch_early(planting: Planting) -> None:
    """The next epoch is put while the last request of the one before is still under way."""
    pump: Any = Shipper.pump

    def changed(self: Any, now_us: int) -> Any:
        out = pump(self, now_us)
        batch = self.batch
        waiting = batch is not None and not self._todo and not self._chaining and self._in_flight
        if waiting and not self._raise_first and self.open and not self._queue.is_empty():
            newer = self._queue.take()
            assert newer is not None
            batch.extents += newer.extents
            batch.size += newer.size
            batch.waiters += newer.waiters
            self._todo.extend(newer.extents)
            out += pump(self, now_us)
        return out

    planting.replace(Shipper, "pump", changed)


@register("merge-across-an-epoch", "crash-consistent", also=("no-acked-loss",))
def merge_across_epochs(planting: Planting) -> None:
    """Epochs are put as one, although one request cannot hold them both."""
    planting.replace(epochs, "_may_join", lambda _first, _newer: True)


@register("an-acknowledged-write-ends-no-epoch", "crash-consistent", also=("no-acked-loss",))
def acknowledgement_ends_no_epoch(planting: Planting) -> None:
    """In order strict a write joins the epoch of an acknowledged one that came before it."""
    write: Any = EpochQueue.write

    def changed(self: Any, *args: Any, **named: Any) -> Any:
        self.open.acknowledged = False
        return write(self, *args, **named)

    planting.replace(EpochQueue, "write", changed)


@register("a-flush-ends-no-epoch", "crash-consistent")
def flush_ends_no_epoch(planting: Planting) -> None:
    """In order flush the writes after a flush may arrive before those that it covers."""
    flush: Any = Clients.flush

    def changed(self: Any, op: int) -> Any:
        order, self._settings = self._settings, replace(self._settings, order=epochs.Order.STRICT)
        out = flush(self, op)
        self._settings = order
        return out

    planting.replace(Clients, "flush", changed)


@register("the-last-writer-loses-inside-an-epoch", "crash-consistent", also=SPOILT)
def last_writer_loses(planting: Planting) -> None:
    """Of two overlapping writes of one epoch the older one stays."""
    write: Any = PayloadMap.write

    def changed(self: Any, offset: int, length: int, payload: object) -> None:
        before = list(self.runs())
        write(self, offset, length, payload)
        for start, end, older, skip in before:
            low, high = max(start, offset), min(end, offset + length)
            if low < high:
                self._overlay(low, high, older, skip + low - start)

    planting.replace(PayloadMap, "write", changed)


@register("retry-without-raising-the-number", "ordered-once", also=OLDER_OVER_NEWER)
def retry_without_raising(planting: Planting) -> None:
    """A put without an answer is sent again, and newer ones follow, all under the same number."""
    handle: Any = Shipper.handle

    def changed(self: Any, now_us: int, event: Any) -> Any:
        before = self._raise_first
        out = handle(self, now_us, event)
        if type(event).__name__ == "Unknown":
            self._raise_first = before
            self._chaining, self._etag = False, None
        return out

    planting.replace(Shipper, "handle", changed)
    planting.replace(SentPages, "touches", lambda _self, _offset, _length: False)


@register("older-requests-on-a-page-left-alive", "ordered-once", also=OLDER_OVER_NEWER)
def older_requests_left_alive(planting: Planting) -> None:
    """A page is put again while an earlier request that touched it may still arrive (P1)."""
    planting.replace(SentPages, "touches", lambda _self, _offset, _length: False)


@register("chain-without-if-match", "ordered-once", also=OLDER_OVER_NEWER)
def chain_without_condition(planting: Planting) -> None:
    """The requests of a chain do not demand that nothing else changed the blob."""
    send: Any = Shipper._send

    def changed(self: Any, extent: Any) -> Any:
        command = send(self, extent)
        assert isinstance(command, Put | Clear)
        return altered(command, if_match=None)

    planting.replace(Shipper, "_send", changed)
