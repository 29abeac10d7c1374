"""Transcripts of the write-intent bitmap: bits before writes, who waits for whom, clearing."""

from itertools import count

from engine.core.dirty import CLEAN_US, TIMER, DirtyRegions
from engine.core.messages import (
    Command,
    LocalFlush,
    MarkClean,
    MarkDirty,
    SetTimer,
    WriteRequested,
)
from engine.core.operations import Operation
from engine.core.settings import REGION_BYTES


class Bench:
    """The bits of a volume of four regions, and writes given by operation and regions."""

    def __init__(self, dirty: tuple[int, ...] = ()) -> None:
        ids = count(100)
        self.bits = DirtyRegions(lambda: next(ids))
        self.bits.load(dirty)

    def write(self, op: int, first: int, regions: int = 1) -> list[Command] | None:
        """None: it may go at once; else what is to be done first."""
        offset, length = first * REGION_BYTES, regions * REGION_BYTES
        operation = Operation(op, offset, length, fua=False)
        event = WriteRequested(op, offset, length, (op,), fua=False)
        return None if self.bits.admit(operation, event) else self.bits.wait(operation, event)

    def durable(self, command_id: int) -> list[int]:
        """The operations that may go now."""
        return [operation.op for operation, _ in self.bits.durable(command_id)]

    def tick(self, *busy: int) -> list[Command]:
        """What a tick does, but for setting the timer again."""
        out = self.bits.tick(0, busy)
        return [command for command in out if not isinstance(command, SetTimer)]


def test_a_write_waits_for_its_bit_and_the_next_goes_at_once() -> None:
    bench = Bench()
    assert bench.write(1, 2) == [MarkDirty(100, (2,))]
    assert bench.durable(100) == [1]
    assert bench.write(2, 2) is None


def test_a_write_asks_only_for_the_bits_that_nobody_asked_for() -> None:
    bench = Bench(dirty=(0,))
    assert bench.write(1, 0, 2) == [MarkDirty(100, (1,))]
    assert bench.write(2, 1, 2) == [MarkDirty(101, (2,))]
    assert bench.durable(101) == [], "its region 1 is not durable"
    assert bench.durable(100) == [1, 2]


def test_no_write_overtakes_an_overlapping_one_that_waits() -> None:
    bench = Bench(dirty=(0,))
    bench.write(1, 0, 2)
    assert bench.write(2, 0) == [], "its own bit is durable, but operation 1 came first"
    assert bench.write(3, 0) == []
    assert bench.durable(100) == [1, 2, 3]


def test_when_bits_cannot_be_written_their_writes_fail_and_others_go_on() -> None:
    bench = Bench(dirty=(0,))
    bench.write(1, 0, 2)
    bench.write(2, 0)
    failing, ready = bench.bits.failed(100)
    assert [operation.op for operation in failing] == [1]
    assert [operation.op for operation, _ in ready] == [2]
    assert bench.write(3, 1) == [MarkDirty(101, (1,))], "the next write asks again"


def test_a_bit_is_cleared_after_a_period_of_rest_and_a_flush() -> None:
    bench = Bench(dirty=(1, 3))
    bench.write(1, 3)
    assert bench.tick() == []
    (flush,) = bench.tick()
    assert isinstance(flush, LocalFlush)
    assert flush.op < 0, "no client's number"
    assert bench.bits.flushed(flush.op) == [MarkClean((1, 3))]
    assert bench.write(2, 3) == [MarkDirty(101, (3,))]


def test_a_busy_region_and_one_written_again_keep_their_bits() -> None:
    bench = Bench(dirty=(0, 1, 2))
    bench.tick()
    bench.write(1, 0)
    (flush,) = bench.tick(2)
    assert isinstance(flush, LocalFlush)
    assert bench.bits.flushed(flush.op) == [MarkClean((1,))]
    assert bench.bits.regions() == [0, 2]


def test_h28_a_write_during_the_flush_is_not_covered_by_it() -> None:
    bench = Bench(dirty=(1,))
    bench.tick()
    (flush,) = bench.tick()
    assert isinstance(flush, LocalFlush)
    assert bench.write(1, 1) is None
    assert bench.bits.flushed(flush.op) == []
    assert bench.bits.regions() == [1]


def test_a_write_that_waits_across_two_regions_keeps_the_bit_it_already_has() -> None:
    bench = Bench(dirty=(0,))
    bench.tick()
    (flush,) = bench.tick()
    bench.write(1, 0, 2)
    assert isinstance(flush, LocalFlush)
    assert bench.bits.flushed(flush.op) == [], "the waiting write relies on it"
    assert bench.durable(101) == [1]


def test_a_failed_flush_and_a_failed_local_write_clear_nothing() -> None:
    bench = Bench(dirty=(0, 1))
    bench.bits.spoil(0, 512)
    bench.tick()
    (flush,) = bench.tick()
    assert isinstance(flush, LocalFlush)
    bench.bits.flush_failed(flush.op)
    (again,) = bench.tick()
    assert isinstance(again, LocalFlush)
    assert bench.bits.flushed(again.op) == [MarkClean((1,))], "the spoiled one stays"


def test_nothing_is_cleared_while_the_blob_does_not_follow() -> None:
    bench = Bench(dirty=(0,))
    for _ in range(4):
        assert bench.bits.tick(0, None) == [SetTimer(TIMER, CLEAN_US)]


def test_every_bit_is_set_where_nothing_is_known_and_asked_again_after_a_failure() -> None:
    bench = Bench()
    assert bench.bits.set_all(3 * REGION_BYTES + 512) == [MarkDirty(100, (0, 1, 2, 3))]
    bench.bits.failed(100)
    assert bench.bits.arm(7) == [SetTimer(TIMER, 7 + CLEAN_US)]
    assert bench.tick() == [MarkDirty(101, (0, 1, 2, 3))]
    assert not bench.bits.are_all_set(3 * REGION_BYTES + 512)
    bench.durable(101)
    assert bench.bits.are_all_set(3 * REGION_BYTES + 512)
    assert bench.bits.regions() == [0, 1, 2, 3]
