"""Planted bugs: answers to clients that come too early, or with a lag past the bound."""

from typing import Any

from engine.core.clients import Clients
from engine.core.gate import Gate
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import Refusal
from engine.core.operations import REMOTE
from engine.core.settings import Mode
from engine.core.shipping import Shipper
from harness.mutants.mutant import SPOILT, Planting, register

__all__ = ["acknowledge_before_flush", "acknowledge_before_put"]


@register("acknowledge-before-put", "no-acked-loss", also=("fenced", "resize-faithful"))
def acknowledge_before_put(planting: Planting) -> None:
    """In mode sync a write is acknowledged when the volume has it, before the blob does."""
    capture: Any = Clients._capture

    def changed(self: Any, now_us: int, operation: Any, payload: object) -> None:
        capture(self, now_us, operation, payload)
        if self._settings.mode is Mode.SYNC:
            operation.waits &= ~REMOTE

    planting.replace(Clients, "_capture", changed)


@register("acknowledge-before-flush-reached-the-blob", "no-acked-loss", also=("fenced",))
def acknowledge_before_flush(planting: Planting) -> None:
    """A flush is acknowledged when the volume is flushed, whatever the blob lacks."""
    wait: Any = Clients.wait_for_blob

    def changed(self: Any, operation: Any) -> None:
        if operation.op < 0:  # not a client's: what a point or a resize waits for
            wait(self, operation)

    planting.replace(Clients, "wait_for_blob", changed)


@register("acknowledge-when-the-put-is-sent", "no-acked-loss", also=("fenced",))
def acknowledge_when_sent(planting: Planting) -> None:
    """A write is acknowledged once its put was sent, whether it was applied or not."""
    send: Any = Shipper._send

    def changed(self: Any, extent: Any) -> Any:
        command = send(self, extent)
        batch = self.batch
        if batch is not None and batch.waiters and not self._todo:
            waiters, batch.waiters = batch.waiters, []
            told = type("Told", (), {"waiters": waiters})()
            self._finished(told)
        return command

    planting.replace(Shipper, "_send", changed)


@register("unknown-taken-for-done", "no-acked-loss", also=SPOILT)
def unknown_taken_for_done(planting: Planting) -> None:
    """A put whose outcome is unknown counts as applied."""
    handle: Any = Shipper.handle

    def changed(self: Any, now_us: int, event: Any) -> Any:
        flight = self._in_flight.get(event.id)
        if flight is None or type(event).__name__ != "Unknown":
            return handle(self, now_us, event)
        del self._in_flight[event.id]
        self._etag = None
        self._raise_next = True
        _finish(self)
        return self.pump(now_us)

    planting.replace(Shipper, "handle", changed)


@register("damaged-put-taken-for-done", "no-acked-loss", also=SPOILT)
def damaged_put_taken_for_done(planting: Planting) -> None:
    """A put that the service refused for its checksum is not sent again."""
    refused: Any = Shipper._refused

    def changed(self: Any, now_us: int, event: Any, *, chained: bool) -> Any:
        if event.refusal is not Refusal.CHECKSUM:
            return refused(self, now_us, event, chained=chained)
        self._todo.popleft()
        _finish(self)
        return self.pump(now_us)

    planting.replace(Shipper, "_refused", changed)


@register("acknowledge-after-the-lease-is-lost", "fenced")
def acknowledge_without_authority(planting: Planting) -> None:
    """Acknowledgements go on after the lease's time is over."""
    planting.replace(LeaseKeeper, "holds", lambda _self, _now_us: True)


@register("no-back-pressure", "rpo")
def no_back_pressure(planting: Planting) -> None:
    """Asynchronous acknowledgements go on however far the blob lags behind."""

    def changed(self: Any, now_us: int) -> bool:
        return not self.guarded or bool(self._keeper.holds(now_us))

    planting.replace(Gate, "may_acknowledge", changed)


@register("bound-in-bytes-forgotten", "rpo", also=("status-honest",))
def bound_in_bytes_forgotten(planting: Planting) -> None:
    """The lag is bounded in time only."""
    planting.replace(Gate, "lag_bytes", lambda _self: 0)


def _finish(shipper: Any) -> None:
    """What the shipper does when a batch's last request is known to be applied."""
    batch: Any = shipper.batch
    if batch is not None and not shipper._todo and not shipper._in_flight:
        shipper.batch = None
        shipper._finished(batch)
