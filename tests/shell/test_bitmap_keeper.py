"""Marks in order, answered when durable, many at one go."""

import errno
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.messages import BitsDurable, BitsFailed, Event, MarkClean, MarkDirty
from engine.core.settings import REGION_BYTES
from engine.shell import bitmap_keeper
from engine.shell.bitmap_keeper import BitmapKeeper
from engine.shell.dirty_bitmap import DirtyBitmap

SIZE = 100 * REGION_BYTES


class Gated(DirtyBitmap):
    """A bitmap whose commits wait, fail, and are counted."""

    def __init__(self, path: Path) -> None:
        self.let = threading.Event()
        self.let.set()
        self.error = 0
        self.commits = 0
        super().__init__(path, bytes(32), SIZE)

    def commit(self) -> None:
        assert self.let.wait(120)
        self.commits += bool(self._stale)
        if self.error:
            raise OSError(self.error, "no")
        super().commit()


class Desk:
    """A keeper, its bitmap and the answers it gave."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "db.dirty"
        self.bitmap = Gated(self.path)
        self.answers: queue.Queue[Event] = queue.Queue()
        self.bugs: queue.Queue[Exception] = queue.Queue()
        self.at_once: list[Event] = []
        self.keeper = BitmapKeeper(
            self.bitmap,
            "db",
            answer=self.answers.put,
            answer_now=self.at_once.append,
            bug=self.bugs.put,
        )
        self.keeper.trust()

    def next(self) -> Event:
        return self.answers.get(timeout=120)

    def on_disk(self) -> tuple[int, ...] | None:
        other = DirtyBitmap(self.path, bytes(32), SIZE)
        found = other.dirty()
        other.close()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.bitmap.let.set()
    made.keeper.close()


def test_a_mark_is_on_disk_when_it_is_answered(desk: Desk) -> None:
    desk.keeper.mark_dirty(MarkDirty(1, (4, 5)))
    assert desk.next() == BitsDurable(1)
    assert desk.on_disk() == (4, 5)


def test_nothing_is_answered_before_the_disk_has_it(desk: Desk) -> None:
    desk.bitmap.let.clear()
    desk.keeper.mark_dirty(MarkDirty(1, (4,)))
    with pytest.raises(queue.Empty):
        desk.answers.get(timeout=0.1)
    desk.bitmap.let.set()
    assert desk.next() == BitsDurable(1)


def test_marks_that_come_meanwhile_share_one_write(desk: Desk) -> None:
    desk.keeper.mark_dirty(MarkDirty(0, (0,)))
    assert desk.next() == BitsDurable(0)
    desk.bitmap.let.clear()
    before = desk.bitmap.commits
    for number in range(1, 50):
        desk.keeper.mark_dirty(MarkDirty(number, (number,)))
    desk.bitmap.let.set()
    assert [desk.next() for _ in range(1, 50)] == [BitsDurable(n) for n in range(1, 50)]
    assert desk.bitmap.commits - before <= 2
    assert desk.on_disk() == tuple(range(50))


def settle(desk: Desk) -> None:
    """Wait until all that was told before is on the disk."""
    desk.keeper.mark_dirty(MarkDirty(99, (99,)))
    while desk.next() != BitsDurable(99):
        pass


@pytest.mark.parametrize("rest", [0.0, 20.0])
def test_dirty_and_clean_take_effect_in_their_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    monkeypatch.setattr(bitmap_keeper, "REST_SECONDS", rest)
    desk.bitmap.let.clear()
    desk.keeper.mark_dirty(MarkDirty(1, (7, 8)))
    desk.keeper.mark_clean(MarkClean((7, 8)))
    desk.keeper.mark_dirty(MarkDirty(2, (8,)))
    desk.keeper.tick()
    desk.bitmap.let.set()
    assert [desk.next(), desk.next()] == [BitsDurable(1), BitsDurable(2)]
    settle(desk)
    assert desk.on_disk() == ((7, 8, 99) if rest else (8, 99))


def test_a_region_that_is_soon_written_again_costs_no_write(desk: Desk) -> None:
    desk.keeper.mark_dirty(MarkDirty(1, (7,)))
    assert desk.next() == BitsDurable(1)
    before = desk.bitmap.commits
    for number in range(2, 12):
        desk.keeper.mark_clean(MarkClean((7,)))
        desk.keeper.tick()
        desk.keeper.mark_dirty(MarkDirty(number, (7,)))
        assert desk.at_once.pop() == BitsDurable(number)
    assert desk.bitmap.commits == before
    assert desk.on_disk() == (7,)


@pytest.mark.parametrize("error", [0, errno.EIO])
def test_no_mark_is_free_while_a_change_is_not_on_the_disk(desk: Desk, error: int) -> None:
    desk.keeper.mark_dirty(MarkDirty(1, (7,)))
    assert desk.next() == BitsDurable(1)
    desk.bitmap.let.clear()
    desk.bitmap.error = error
    desk.keeper.mark_dirty(MarkDirty(2, (8,)))
    desk.keeper.mark_clean(MarkClean((7,)))
    desk.keeper.mark_dirty(MarkDirty(3, (7,)))
    assert desk.at_once == []
    desk.bitmap.let.set()
    assert {type(desk.next()) for _ in (2, 3)} == {BitsFailed if error else BitsDurable}
    desk.keeper.mark_clean(MarkClean((7,)))
    desk.keeper.mark_dirty(MarkDirty(4, (7,)))
    assert len(desk.at_once) == (0 if error else 1)


def test_a_region_past_the_end_has_no_bit_that_could_be_at_rest(desk: Desk) -> None:
    desk.keeper.resize(SIZE // 2)
    for number in (1, 2):
        desk.keeper.mark_dirty(MarkDirty(number, (60,)))
        assert desk.next() == BitsDurable(number)
        desk.keeper.mark_clean(MarkClean((60,)))
        desk.keeper.resize(SIZE)
    assert desk.on_disk() == (60,)


@pytest.mark.parametrize("clean", ["before", "after"])
def test_a_region_that_was_cut_off_meanwhile_is_marked_anew(desk: Desk, clean: str) -> None:
    desk.keeper.mark_dirty(MarkDirty(1, (7, 60)))
    assert desk.next() == BitsDurable(1)
    if clean == "before":
        desk.keeper.mark_clean(MarkClean((7, 60)))
    desk.keeper.resize(SIZE // 2)
    desk.keeper.resize(SIZE)
    if clean == "after":
        desk.keeper.mark_clean(MarkClean((7, 60)))
    desk.keeper.mark_dirty(MarkDirty(3, (7,)))
    settle(desk)  # as if nothing else had been asked for: all of it is on the disk
    desk.keeper.mark_dirty(MarkDirty(2, (60,)))
    assert desk.next() == BitsDurable(2)
    assert desk.on_disk() == (7, 60, 99)


def test_a_bit_that_was_set_but_could_not_be_written_is_no_free_mark(desk: Desk) -> None:
    desk.bitmap.error = errno.EIO
    for number in (1, 2):
        desk.keeper.mark_dirty(MarkDirty(number, (7,)))
        assert desk.next() == BitsFailed(number, errno.EIO)


def test_a_failure_is_told_and_the_next_mark_makes_up_for_it(desk: Desk) -> None:
    desk.bitmap.error = errno.ENOSPC
    desk.keeper.mark_dirty(MarkDirty(1, (4,)))
    assert desk.next() == BitsFailed(1, errno.ENOSPC)
    desk.bitmap.error = 0
    desk.keeper.mark_dirty(MarkDirty(2, (4, 5)))
    assert desk.next() == BitsDurable(2)
    assert desk.on_disk() == (4, 5)


def test_a_bug_is_told_and_not_lost_in_the_thread(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: object) -> None:
        raise ValueError("half way")

    monkeypatch.setattr(desk.bitmap, "set", stumble)
    desk.keeper.mark_dirty(MarkDirty(1, (4,)))
    assert str(desk.bugs.get(timeout=120)) == "half way"


def test_the_end_writes_what_is_clean(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.keeper.mark_dirty(MarkDirty(1, (4, 5)))
    desk.keeper.mark_clean(MarkClean((4,)))
    desk.keeper.resize(SIZE)
    desk.keeper.close()
    assert desk.on_disk() == (5,)


def test_trust_returns_when_the_disk_has_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bitmap.let.clear()
    waiting = threading.Thread(target=desk.keeper.trust)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    desk.bitmap.let.set()
    waiting.join(120)
    assert not waiting.is_alive()
    desk.keeper.close()
