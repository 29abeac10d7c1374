"""Recovery points as the service lists them: what a snapshot's own metadata say of it (H34)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from engine.core.blob_metadata import parse_metadata
from engine.core.messages import MetadataMap
from engine.errors import ProtocolError

__all__ = ["POINT_KEY", "SEQUENCE_KEY", "TAKEN_KEY", "KnownSnapshot", "ListedPoint", "PointKind",
           "in_order", "listed", "read_point"]  # fmt: skip

POINT_KEY = "mp_point"
SEQUENCE_KEY = "mp_sequence"
TAKEN_KEY = "mp_taken"


class PointKind(StrEnum):
    """Why a point was taken."""

    INTERVAL = "interval"
    REQUEST = "request"
    GROW = "grow"
    SHRINK = "shrink"
    RESYNC = "resync"


class ListedPoint(Struct, frozen=True, gc=False):
    """A point of ours as the service lists it; taken_us: by the clock of who took it."""

    snapshot: str
    sequence: int
    kind: PointKind
    taken_us: int
    volume_bytes: int


KnownSnapshot = tuple[str, ListedPoint | None]
"""The id of a snapshot, and which point of ours it is, if it is one."""

_KINDS: Final = {str(kind): kind for kind in PointKind}


def read_point(snapshot: str, pairs: MetadataMap) -> ListedPoint | None:
    """What a snapshot says of itself, None if it is no point of ours."""
    keys = dict(pairs)
    if POINT_KEY not in keys:
        return None
    try:
        size = parse_metadata(pairs).volume_bytes
        kind, taken = _KINDS[keys[POINT_KEY]], int(keys[TAKEN_KEY])
        return ListedPoint(snapshot, int(keys[SEQUENCE_KEY]), kind, taken, size)
    except (KeyError, ValueError, ProtocolError):
        return None


def listed(snapshots: Sequence[tuple[str, MetadataMap]]) -> list[ListedPoint]:
    """The points of ours, oldest first."""
    points = [read_point(snapshot, pairs) for snapshot, pairs in snapshots]
    return in_order([point for point in points if point is not None])


def in_order(points: list[ListedPoint]) -> list[ListedPoint]:
    """Oldest first."""
    if len(points) > 1:
        points.sort(key=lambda point: (point.sequence, point.snapshot))
    return points
