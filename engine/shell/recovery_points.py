"""The recovery points of one blob, as its snapshots and its metadata tell them.

A snapshot counts if it says of itself what kind of point it is and is not about to be deleted.
"""

import asyncio

from engine.core.messages import Done, Failed, Head, ListSnapshots, MetadataMap, Refusal
from engine.errors import StoreRefused, StoreUnavailable
from engine.shell.control import Answer
from engine.shell.machine_host import Blob

_TRANSIENT = (Refusal.BUSY, Refusal.UNREACHABLE)


async def points(name: str, blob: Blob) -> Answer:
    """Answer an operator, who may ask any site."""
    return {"volume": name, "points": await asyncio.to_thread(list_points, blob)}


def list_points(blob: Blob) -> list[Answer]:
    """Every recovery point, oldest first. Blocks; raises StoreRefused or StoreUnavailable.

    The metadata is read after the list: a point doomed meanwhile is left out, never shown wrongly.
    """
    snapshots = _done(blob, ListSnapshots(1)).snapshots
    state = _done(blob, Head(2, None)).state
    now: dict[str, str] = dict(state.metadata) if state is not None else {}
    doomed = now.get("mp_doomed", "").split(",")
    pin = now.get("mp_pin", "")
    return [
        _point(snapshot, dict(metadata), pinned=snapshot == pin)
        for snapshot, metadata in snapshots
        if _kind(metadata) and snapshot not in doomed
    ]


def _kind(metadata: MetadataMap) -> str:
    return dict(metadata).get("mp_point", "")


def _point(snapshot: str, said: dict[str, str], *, pinned: bool) -> Answer:
    """A snapshot's id is the service's clock when it was taken (UTC)."""
    size = said.get("mp_volume_bytes", "")
    return {
        "id": snapshot,
        "kind": said["mp_point"],
        "taken": snapshot,
        "size_bytes": int(size) if size.isascii() and size.isdigit() else 0,
        "pinned": pinned,
    }


def _done(blob: Blob, command: ListSnapshots | Head) -> Done:
    answer = blob.execute(command)
    if isinstance(answer, Done):
        return answer
    if isinstance(answer, Failed) and answer.refusal not in _TRANSIENT:
        raise StoreRefused(answer.detail)
    raise StoreUnavailable(answer.detail)
