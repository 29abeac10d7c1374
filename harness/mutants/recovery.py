"""Planted bugs: the bitmap, resync after a crash, recovery points, what a failover uses."""

from typing import Any, Final

from msgspec.structs import replace as altered

from engine.core import points
from engine.core.blob_metadata import Mark
from engine.core.clients import Clients
from engine.core.dirty import DirtyRegions
from engine.core.messages import DeleteSnapshot, MarkDirty
from engine.core.points import MarkInconsistent, TakePoint
from engine.core.recovering import Recovering
from engine.core.seeding import Seeding
from engine.core.upkeep import Upkeep
from harness.mutants.mutant import SPOILT, Planting, register

__all__ = ["bit_cleared_early", "resync_without_point"]

NO_SNAPSHOT = "2020-01-01T00:00:00.0000001Z"

NO_POINT: Final = ("consumable", "crash-consistent", "status-honest", "live")
"""What else is broken where a resync's point is not there, or no image: nothing to recover from."""


@register("bit-cleared-before-the-put-is-known", "crash-consistent", also=SPOILT)
def bit_cleared_early(planting: Planting) -> None:
    """A bit is cleared while a write of its region still waits to be put (H29)."""
    planting.replace(Clients, "busy_regions", lambda _self: set())
    _clear_without_rest(planting)


@register("bitmap-not-persisted", "crash-consistent", also=SPOILT)
def bitmap_not_persisted(planting: Planting) -> None:
    """The bits are kept in memory only: after a crash nothing seems to be lacking."""
    ask: Any = DirtyRegions._ask

    def changed(self: Any, regions: Any) -> Any:
        return [MarkDirty(command.id, ()) for command in ask(self, regions)]

    planting.replace(DirtyRegions, "_ask", changed)


@register(
    "bit-cleared-without-a-local-flush",
    "live",
    also=("crash-consistent", "points-honest", "status-honest"),
)
def bit_cleared_without_flush(planting: Planting) -> None:
    """A bit is cleared when the put is done; a power loss then leaves the blob ahead (H28)."""
    settle: Any = DirtyRegions.settle

    def changed(self: Any, busy: Any, among: Any = None) -> Any:
        out = settle(self, busy, among)
        return self.flushed(self._flush) if out else []

    planting.replace(DirtyRegions, "settle", changed)
    _clear_without_rest(planting)


@register("resync-misses-a-region", "crash-consistent", also=SPOILT)
def resync_misses_a_region(planting: Planting) -> None:
    """A resync leaves out the last of the dirty regions."""
    regions: Any = DirtyRegions.regions
    planting.replace(DirtyRegions, "regions", lambda self: regions(self)[:-1])


@register("resync-does-not-clear-holes", "crash-consistent", also=SPOILT)
def holes_not_cleared(planting: Planting) -> None:
    """What the volume trimmed before the crash stays in the blob."""
    planting.replace(Seeding, "_hole", lambda _self, _start, _end: None)


@register("resync-without-a-recovery-point", "crash-consistent", also=("ordered-once",))
def resync_without_point(planting: Planting) -> None:
    """A resync writes without order into a blob that nothing marks."""
    planting.replace(MarkInconsistent, "next", lambda _self, _view: None)


@register("second-crash-moves-the-pin", "points-honest", also=NO_POINT)
def pin_moved(planting: Planting) -> None:
    """A resync that follows on an unfinished one pins a new point, of a blob that is no image."""
    next_of: Any = MarkInconsistent.next

    def changed(self: Any, view: Any) -> Any:
        state = view.state()
        if state.mark is not Mark.RESYNC or self._point.snapshot(view) == state.pin:
            return next_of(self, view)
        command = self._point.next(view)
        if command is not None:
            return command
        return view.set_metadata(altered(state, pin=self._point.snapshot(view)))

    planting.replace(MarkInconsistent, "next", changed)


@register("failover-to-an-inconsistent-blob", "crash-consistent", also=("live",))
def failover_ignores_mark(planting: Planting) -> None:
    """A standby mounts the live blob although it is marked as no image of the volume."""
    create: Any = Recovering.__init__

    def changed(self: Any, owned: Any, next_id: Any) -> None:
        create(self, owned, next_id)
        self.metadata = altered(self.metadata, mark=Mark.NONE, pin="")

    planting.replace(Recovering, "__init__", changed)


@register("point-listed-before-its-snapshot-exists", "points-honest", also=NO_POINT)
def point_listed_early(planting: Planting) -> None:
    """The metadata name the point of a resync before its snapshot is taken."""
    next_of: Any = MarkInconsistent.next

    def changed(self: Any, view: Any) -> Any:
        state = view.state()
        if state.mark is Mark.NONE:
            return view.set_metadata(altered(state, mark=Mark.RESYNC, pin=NO_SNAPSHOT))
        if state.pin != NO_SNAPSHOT:
            return next_of(self, view)
        command = self._point.next(view)
        if command is not None:
            return command
        return view.set_metadata(altered(state, pin=self._point.snapshot(view)))

    planting.replace(MarkInconsistent, "next", changed)


@register(
    "point-taken-while-writes-wait",
    "points-honest",
    also=("crash-consistent", "rpo"),
)
def point_taken_early(planting: Planting) -> None:
    """A point is taken without what was acknowledged before it and still waits to be put."""
    drain: Any = Upkeep._drain

    def changed(self: Any) -> None:
        drain(self)
        if not self._errand.volume_bytes:
            self._barrier = None

    planting.replace(Upkeep, "_drain", changed)
    planting.replace(Clients, "cut_us", lambda _self, now_us: now_us)


@register("retention-forgets-the-pin", "points-honest", also=NO_POINT)
def retention_forgets_pin(planting: Planting) -> None:
    """Points beyond the number to keep are deleted, also the one that a failover would use."""
    to_doom: Any = points.to_doom

    def changed(view: Any, _pin: str, _keep: int) -> Any:
        return to_doom(view, "", 0)

    planting.replace(points, "to_doom", changed)


@register("deleted-before-it-is-doomed", "points-honest")
def deleted_undoomed(planting: Planting) -> None:
    """A point beyond the number to keep is deleted while the blob still lists it (H3)."""
    next_of: Any = TakePoint.next
    finished: Any = Upkeep._finished

    def changed(self: Any, view: Any) -> Any:
        command = next_of(self, view)
        state = view.state()
        if command is None or type(command).__name__ != "SetMetadata":
            return command
        pairs: Any = command
        target = altered(state, pin=dict(pairs.metadata).get("mp_pin", ""))
        return view.set_metadata(target) if target != state else None

    def deleting(self: Any, now_us: int, change: Any) -> Any:
        keep = self._settings.points_keep
        late = points.to_doom(change.view, change.view.state().pin, keep)
        out = finished(self, now_us, change)
        for snapshot in late:
            command = DeleteSnapshot(self._next_id(), snapshot)
            self.deleting[command.id] = snapshot
            out.append(command)
        return out

    planting.replace(TakePoint, "next", changed)
    planting.replace(Upkeep, "_finished", deleting)


def _clear_without_rest(planting: Planting) -> None:
    """Bits are cleared at the next tick, without a period of rest before."""
    tick: Any = DirtyRegions.tick

    def changed(self: Any, now_us: int, busy: Any) -> Any:
        self._rested = dict(self._newest)
        return tick(self, now_us, busy)

    planting.replace(DirtyRegions, "tick", changed)
