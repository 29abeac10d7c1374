"""Planted bugs: pages that get other content in the blob than in the volume."""

from typing import Any

from msgspec.structs import replace as altered

from engine.core import payload_map
from engine.core.clients import Clients
from engine.core.messages import Clear, Note, Part, Put, ZeroRequested
from engine.core.payload_map import PayloadMap
from engine.core.primary import PrimaryMachine
from engine.core.seeding import Seeding
from engine.core.shipping import Shipper
from engine.units import PAGE_BYTES
from harness.mutants.mutant import SPOILT, Planting, register

__all__ = ["page_boundary_off_by_one", "trim_ignored"]


@register("trim-ignored", "crash-consistent", also=SPOILT)
def trim_ignored(planting: Planting) -> None:
    """A trim changes the volume and not the blob."""
    issue: Any = Clients.issue

    def changed(self: Any, now_us: int, operation: Any, event: Any) -> Any:
        capturing = self.capturing
        if isinstance(event, ZeroRequested) and not event.fua:
            self.capturing = False
        out = issue(self, now_us, operation, event)
        self.capturing = capturing
        if capturing and operation.epoch is None:
            operation.epoch = self._queue.open
        return out

    planting.replace(Clients, "issue", changed)


@register(
    "trim-of-one-page-too-many", "crash-consistent", also=(*SPOILT, "consumable", "ordered-once")
)
def trim_too_many(planting: Planting) -> None:
    """What is cleared in the blob is one page longer than what was trimmed."""
    send: Any = Shipper._send

    def changed(self: Any, extent: Any) -> Any:
        command = send(self, extent)
        if isinstance(command, Clear):
            return altered(command, length=command.length + PAGE_BYTES)
        return command

    planting.replace(Shipper, "_send", changed)


@register("write-zeroes-skipped", "crash-consistent", also=SPOILT)
def write_zeroes_skipped(planting: Planting) -> None:
    """Zeros that were gathered beside data are left out of what is put."""
    extents: Any = PayloadMap.extents

    def changed(self: Any) -> Any:
        found = extents(self)
        data = [extent for extent in found if extent.parts is not None]
        return data or found

    planting.replace(PayloadMap, "extents", changed)


@register("page-boundary-off-by-one", "crash-consistent", also=SPOILT)
def page_boundary_off_by_one(planting: Planting) -> None:
    """A write that overlays the end of an older one leaves it one page too long."""
    overlay: Any = PayloadMap._overlay

    def changed(self: Any, offset: int, end: int, payload: object, skip: int) -> None:
        if self.covered and self.low < offset < self.high and end - offset > PAGE_BYTES:
            offset, skip = offset + PAGE_BYTES, skip + PAGE_BYTES
        overlay(self, offset, end, payload, skip)

    planting.replace(PayloadMap, "_overlay", changed)


@register(
    "second-half-of-a-large-put-shifted", "crash-consistent", also=(*SPOILT, "corruption-detected")
)
def put_shifted(planting: Planting) -> None:
    """A request made of several pieces takes the first piece's bytes twice."""
    extent_of: Any = payload_map._extent

    def changed(runs: Any, size: int) -> Any:
        extent = extent_of(runs, size)
        if extent.parts is None or len(extent.parts) < 2:
            return extent
        first, second = extent.parts[:2]
        if first.length != second.length:
            return extent
        return altered(extent, parts=(first, first, *extent.parts[2:]))

    planting.replace(payload_map, "_extent", changed)


@register("seeding-does-not-see-writes-behind-it", "crash-consistent", also=SPOILT)
def seeding_blind(planting: Planting) -> None:
    """A write that arrives behind the cursor of the first copy is not copied again."""
    planting.replace(Seeding, "_mark", lambda _self, _offset, _length: None)


@register("put-of-other-bytes", "corruption-detected", also=SPOILT)
def put_of_other_bytes(planting: Planting) -> None:
    """The checksum is computed after the bytes were damaged: the first page of a put is wrong."""
    send: Any = Shipper._send

    def changed(self: Any, extent: Any) -> Any:
        command = send(self, extent)
        if isinstance(command, Put) and command.id % 16 == 0:
            first = command.parts[0]
            damaged = Part((1 << 50,), 0, PAGE_BYTES)
            rest = Part(first.payload, first.start + PAGE_BYTES, first.length - PAGE_BYTES)
            kept = (rest,) if rest.length else ()
            return altered(command, parts=(damaged, *kept, *command.parts[1:]))
        return command

    planting.replace(Shipper, "_send", changed)


@register("a-copy-kept-in-a-second-object", "direct-write")
def copy_in_second_object(planting: Planting) -> None:
    """Every write is also appended to a journal object in the store."""
    _keep_a_copy(planting, "object", every=1)


@register("a-journal-on-the-local-disk", "direct-write")
def journal_on_disk(planting: Planting) -> None:
    """Every write is also kept in a journal file beside the volume."""
    _keep_a_copy(planting, "file", every=1)


def _keep_a_copy(planting: Planting, where: str, every: int) -> None:
    issue: Any = PrimaryMachine._issue
    handle: Any = PrimaryMachine.handle
    kept: list[Note] = []

    def issued(self: Any, now_us: int, operation: Any, event: Any) -> Any:
        if operation.op % every == 0:
            kept.append(Note("stored", (("where", where), ("size", operation.length))))
        return issue(self, now_us, operation, event)

    def handled(self: Any, now_us: int, event: Any) -> Any:
        out = handle(self, now_us, event)
        if kept:
            out = [*out, *kept]
            kept.clear()
        return out

    planting.replace(PrimaryMachine, "_issue", issued)
    planting.replace(PrimaryMachine, "handle", handled)
