"""Resizing and points as the shell does them, with a machine that does what it is told."""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from engine.core.messages import (
    BitsDurable,
    Command,
    Done,
    Event,
    LocalDone,
    LocalFailed,
    LocalResize,
    MarkClean,
    MarkDirty,
    Note,
    PointRequested,
    Reply,
    ResizeRequested,
    Started,
    StoreAnswer,
    StoreCommand,
)
from engine.core.primary import Phase, PrimaryMachine
from engine.core.settings import REGION_BYTES
from engine.errors import ConfigurationError
from engine.shell import operator_requests
from engine.shell.dirty_bitmap import DirtyBitmap
from engine.shell.node_state import NodeState
from engine.shell.operator_requests import resize, take_point
from engine.shell.primary_volume import PrimaryVolume
from engine.shell.volume import Volume

MIB = 1 << 20
SIZE = 8 * MIB


@dataclass
class Machine:
    """Resizes at once, takes points at once; both end with `error`; None: never."""

    error: int | None = 0
    phase: Phase = Phase.RUNNING
    reason: str = ""
    seen: list[Event] = field(default_factory=list)
    marked: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, now_us: int, event: Event) -> list[Command]:
        self.seen.append(event)
        if event == BitsDurable(6):
            self.marked.set()
        match event:
            case ResizeRequested() if not self.error:
                return [LocalResize(event.op, event.volume_bytes)]
            case LocalFailed():
                return [Reply(event.op, event.error)]
            case Started():
                return [Note(Phase.RUNNING.value), MarkDirty(5, (1,))]
            case BitsDurable():
                return [MarkDirty(6, (0,)), MarkClean((1,))] if event.id == 5 else []
            case LocalDone() | PointRequested() | ResizeRequested() if self.error is not None:
                return [Reply(event.op, self.error)]
        return []


class Blob:
    """No command reaches it."""

    def execute(self, command: StoreCommand) -> StoreAnswer:
        return Done(command.id)


class Stage:
    """A volume file, its bitmap and a scripted machine in a host."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.path = folder / "db.raw"
        self.path.write_bytes(bytes(SIZE))
        self.machine = machine
        self.volume = Volume(self.path, "db")
        self.state = NodeState(folder / "state")
        self.host = PrimaryVolume(
            cast("PrimaryMachine", machine),
            self.volume,
            DirtyBitmap(self.state.bitmap_path("db"), bytes(32), SIZE),
            Blob(),
            self.state,
            lambda *_: None,
            1,
        )

    def bits(self, size: int = SIZE) -> tuple[int, ...] | None:
        bitmap = DirtyBitmap(self.state.bitmap_path("db"), bytes(32), size)
        found = bitmap.dirty()
        bitmap.close()
        return found

    def close(self) -> None:
        self.host.close()
        self.volume.close()
        self.state.close()


Play = Callable[[Stage], Coroutine[Any, Any, None]]


def perform(folder: Path, play: Play, machine: Machine | None = None) -> None:
    async def run() -> None:
        stage = Stage(folder, machine or Machine())
        try:
            await play(stage)
        finally:
            stage.close()

    asyncio.run(run())


def test_a_resize_changes_volume_export_and_bitmap(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        for request, size in (
            ({"bytes": 12 * MIB}, 12 * MIB),
            ({"bytes": 4 * MIB, "grow": True}, 16 * MIB),
            ({"bytes": MIB}, MIB),
        ):
            answer = await resize(stage.host, dict(request))
            assert answer == {"volume": "db", "phase": "protected", "size_bytes": size}
            assert stage.path.stat().st_size == stage.host.size_bytes == size

    perform(tmp_path, play)


def test_a_client_of_the_larger_disk_is_told_where_it_ends(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await resize(stage.host, {"bytes": MIB})
        seen = len(stage.machine.seen)
        told: list[int] = []
        stage.host.write(MIB - 512, bytes(1024), False, told.append)
        stage.host.zero(MIB, 512, False, told.append)
        assert told == [errno.ENOSPC, errno.ENOSPC]
        with pytest.raises(OSError, match="past the end") as caught:
            stage.host.read(MIB, 512)
        assert caught.value.errno == errno.EINVAL
        assert len(stage.machine.seen) == seen
        assert stage.host.read(MIB - 512, 512) == bytes(512)

    perform(tmp_path, play)


@pytest.mark.parametrize(
    "request_", [{}, {"bytes": "5"}, {"bytes": True}, {"bytes": 0}, {"bytes": 1000},
                 {"bytes": -SIZE, "grow": True}, {"bytes": 1 << 50}],
)  # fmt: skip
def test_a_size_that_no_volume_has_is_no_request(
    tmp_path: Path, request_: dict[str, object]
) -> None:
    async def play(stage: Stage) -> None:
        with pytest.raises(ConfigurationError):
            await resize(stage.host, request_)
        assert stage.machine.seen == []

    perform(tmp_path, play)


def test_a_device_of_another_size_is_refused_before_anything_happens(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.volume._has_holes = False
        answer = await resize(stage.host, {"bytes": 2 * SIZE})
        assert "block device has another size" in str(answer["refused"])
        assert stage.machine.seen == []

    perform(tmp_path, play)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errno.EINVAL, "cannot have this size now"),
        (errno.EBUSY, "another such request"),
        (errno.EIO, "may not, or cannot"),
        (errno.ENOSPC, "No space left"),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, error: int, meaning: str) -> None:
    async def play(stage: Stage) -> None:
        for answer in (await resize(stage.host, {"bytes": MIB}), await take_point(stage.host)):
            assert meaning in str(answer["refused"])
            assert "(the store is away)" in str(answer["refused"])

    perform(tmp_path, play, Machine(error=error, reason="the store is away"))


def test_a_volume_that_is_over_is_asked_nothing(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        answer = await take_point(stage.host)
        assert answer == {"volume": "db", "refused": "it is demoted: standby-1 owns it"}
        assert stage.machine.seen == []

    perform(tmp_path, play, Machine(phase=Phase.DEMOTED, reason="standby-1 owns it"))


def test_what_takes_too_long_is_said_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_requests, "DONE_SECONDS", 0.05)

    async def play(stage: Stage) -> None:
        assert "it goes on" in str((await take_point(stage.host))["pending"])
        asked = stage.machine.seen[-1]
        assert isinstance(asked, PointRequested)
        stage.host._reply(Reply(asked.op, 0))

    perform(tmp_path, play, Machine(error=None))


def test_bits_are_on_disk_when_the_machine_hears_of_it(tmp_path: Path) -> None:
    size = 2 * REGION_BYTES

    async def play(stage: Stage) -> None:
        assert stage.host.dirty_at_start is None
        await resize(stage.host, {"bytes": size})
        stage.host.deliver(Started())
        async with asyncio.timeout(5):
            await stage.machine.marked.wait()
        assert stage.bits(size) == (0, 1)

    perform(tmp_path, play)
    bitmap = DirtyBitmap(tmp_path / "state" / "db.dirty", bytes(32), size)
    assert bitmap.dirty() == (0,)
    bitmap.close()
