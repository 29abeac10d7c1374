"""Recovery points: taken at most once, found again by their sequence, dropped in two steps.

A point is a snapshot with metadata of its own: the base's map without what concerns the live blob
only, and what the point is (H34). It is taken within a section, so that it is a cut (H2), and its
sequence number tells after an unknown outcome whether it exists. Dropping: `doomed` in the
metadata first, known to be there, then the deletion (H3); never what is pinned (H33).
"""

from msgspec.structs import replace

from engine.core.blob_metadata import UNMARKED, BlobMetadata, Mark
from engine.core.listed_point import POINT_KEY, SEQUENCE_KEY, TAKEN_KEY, PointKind, in_order
from engine.core.messages import MetadataMap
from engine.core.section import Asked, BlobView
from engine.core.settings import VolumeSettings
from engine.units import FOOTER_BYTES
from engine.vhd import disk_bytes

DOOMED_MAX = 64
"""So many snapshots are dropped at a time: the metadata may have 8 KiB (H34)."""


USER_KINDS = (PointKind.INTERVAL, PointKind.REQUEST)
"""Points that the user asked for; the others live as long as they are pinned."""


class Point:
    """One recovery point to be. `taken_us`: it holds all that was acknowledged before, no more."""

    def __init__(self, kind: PointKind, taken_us: int) -> None:
        self.kind = kind
        self.taken_us = taken_us
        self._sequence = -1

    def next(self, view: BlobView) -> Asked | None:
        """The request that comes next, None once its snapshot is known."""
        if view.snapshots is None:
            return view.list_snapshots()
        if self._sequence < 0:
            # No earlier section, of this incarnation or another, had this number.
            self._sequence = view.number
        return None if self.snapshot(view) else view.snapshot(self._metadata(view.state()))

    def snapshot(self, view: BlobView) -> str:
        """Its id, "" if there is none; after a repeated request the first is it."""
        mine = ""
        for sid, point in view.snapshots or ():
            if point is None or point.sequence != self._sequence or point.kind is not self.kind:
                continue
            if not mine or sid < mine:
                mine = sid
        return mine

    def _metadata(self, base: BlobMetadata) -> MetadataMap:
        alone = replace(base, mark=UNMARKED, pin="", intent="", doomed=())
        own = (
            (POINT_KEY, str(self.kind)),
            (SEQUENCE_KEY, str(self._sequence)),
            (TAKEN_KEY, str(self.taken_us)),
        )
        return tuple(sorted((*alone.to_map(), *own)))


def to_doom(view: BlobView, pin: str, keep: int) -> tuple[str, ...]:
    """Which snapshots are to go: all of ours but the pinned and the `keep` newest of the user's.

    Of points that a repeated request doubled, the later goes.
    """
    if view.snapshots is None:
        return view.state().doomed
    if not view.snapshots:
        return ()
    points = in_order([point for _, point in view.snapshots if point is not None])
    users: dict[int, str] = {}
    for point in points:
        if point.kind in USER_KINDS:
            users.setdefault(point.sequence, point.snapshot)
    kept = {pin, *list(users.values())[max(0, len(users) - keep) :]}
    return tuple([p.snapshot for p in points if p.snapshot not in kept][:DOOMED_MAX])


class TakePoint:
    """Goal: the point is taken, and what it makes superfluous is doomed."""

    def __init__(self, point: Point, keep: int) -> None:
        self.point = point
        self._keep = keep

    def next(self, view: BlobView) -> Asked | None:
        """Snapshot -> SetMetadata; in order `interval` the new point becomes the pinned one."""
        command = self.point.next(view)
        if command is not None:
            return command
        state = view.state()
        pin = self.point.snapshot(view) if state.mark is Mark.INTERVAL else state.pin
        target = replace(state, pin=pin, doomed=to_doom(view, pin, self._keep))
        return view.set_metadata(target) if target != state else None


class MarkInconsistent:
    """Goal: the live blob may be written without order, for a point is pinned (P10, RESYNC).

    A mark that is there already keeps its pin: what it pins is the last consistent image (H30).
    """

    def __init__(self, point: Point) -> None:
        self._point = point

    def next(self, view: BlobView) -> Asked | None:
        """Snapshot -> SetMetadata(mark, pin)."""
        state = view.state()
        if state.mark in (Mark.SEED, Mark.RESYNC):
            return None
        pin = state.pin
        if state.mark is UNMARKED:
            command = self._point.next(view)
            if command is not None:
                return command
            pin = self._point.snapshot(view)
        return view.set_metadata(replace(state, mark=Mark.RESYNC, pin=pin))


class Seal:
    """Goal: the blob ends in its footer and is declared an image of the volume.

    `closing`: in order `interval` the point that it can be recovered to, which becomes the pin.
    """

    def __init__(self, settings: VolumeSettings, closing: Point | None) -> None:
        self._settings = settings
        self._closing = closing

    def next(self, view: BlobView) -> Asked | None:
        """Footer -> [Snapshot] -> SetMetadata: nobody takes for an image what has no footer."""
        state = view.state().declared(self._settings)
        at = disk_bytes(state.volume_bytes)
        assert at + FOOTER_BYTES == view.length
        footer = state.footer()
        if view.page(at) != footer and view.state().mark is not UNMARKED:
            return view.put(at, 0, footer)
        mark, pin = UNMARKED, ""
        if self._closing is not None:
            command = self._closing.next(view)
            if command is not None:
                return command
            mark, pin = Mark.INTERVAL, self._closing.snapshot(view)
        doomed = to_doom(view, pin, self._settings.points_keep)
        target = replace(state, mark=mark, pin=pin, doomed=doomed)
        return view.set_metadata(target) if target != view.state() else None
