"""What of a blob's snapshots is shown as a recovery point."""

import asyncio

import pytest

from engine.core.messages import (
    BlobState,
    Done,
    Failed,
    Head,
    LeaseState,
    ListSnapshots,
    MetadataMap,
    Refusal,
    StoreAnswer,
    StoreCommand,
    Unknown,
)
from engine.errors import EngineError, StoreRefused, StoreUnavailable
from engine.shell.recovery_points import list_points, points

OLD, NEW = "2026-01-01T00:00:00.0000001Z", "2026-01-02T00:00:00.0000001Z"


class Blob:
    """Answers a list of snapshots and the base's metadata, or what it is told."""

    def __init__(self, *snapshots: tuple[str, MetadataMap], base: MetadataMap = ()) -> None:
        self.snapshots = snapshots
        self.base = base
        self.instead: dict[type, StoreAnswer] = {}

    def execute(self, command: StoreCommand) -> StoreAnswer:
        if type(command) in self.instead:
            return self.instead[type(command)]
        if isinstance(command, ListSnapshots):
            return Done(command.id, snapshots=self.snapshots)
        state = BlobState("e", 1, 1024, self.base, LeaseState.LEASED)
        return Done(command.id, state=state)


def kind(name: str, size: str = "4096") -> MetadataMap:
    return (("mp_point", name), ("mp_volume_bytes", size))


def test_points_are_listed_with_what_they_say_of_themselves() -> None:
    blob = Blob((OLD, kind("interval")), (NEW, kind("resync", "8192")), base=(("mp_pin", NEW),))
    assert list_points(blob) == [
        {"id": OLD, "kind": "interval", "taken": OLD, "size_bytes": 4096, "pinned": False},
        {"id": NEW, "kind": "resync", "taken": NEW, "size_bytes": 8192, "pinned": True},
    ]
    assert asyncio.run(points("db", blob))["volume"] == "db"


def test_a_stranger_and_a_doomed_snapshot_are_no_points() -> None:
    blob = Blob((OLD, kind("request")), (NEW, (("who", "me"),)), base=(("mp_doomed", f"x,{OLD}"),))
    assert list_points(blob) == []


def test_a_size_that_is_no_number_is_none() -> None:
    assert list_points(Blob((OLD, kind("request", "²"))))[0]["size_bytes"] == 0


@pytest.mark.parametrize("command", [Head, ListSnapshots])
@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Unknown(1, "cut"), StoreUnavailable),
        (Failed(1, Refusal.BUSY, detail="cut"), StoreUnavailable),
        (Failed(1, Refusal.NOT_FOUND, detail="cut"), StoreRefused),
    ],
)
def test_a_store_that_does_not_tell_is_said_so(
    command: type, answer: StoreAnswer, raised: type[EngineError]
) -> None:
    blob = Blob()
    blob.instead[command] = answer
    with pytest.raises(raised, match="cut"):
        list_points(blob)
