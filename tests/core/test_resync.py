"""Resync: transcripts of the copy of dirty regions, and runs of both sites after a crash."""

from itertools import count

from engine.core.messages import (
    Clear,
    Command,
    Done,
    LocalFlush,
    Put,
    Raise,
    ReadVolume,
    SetTimer,
    VolumeRead,
)
from engine.core.seeding import BACKOFF_US, CAPTURE_REGIONS, REGION_BYTES, Seeding

VOLUME = 64 * REGION_BYTES


def resync(*dirty: int, volume_bytes: int = VOLUME) -> Seeding:
    ids = count(1)
    made = Seeding(volume_bytes, 2, lambda: next(ids), blob_is_zero=False, dirty=dirty)
    made.own("L", 100)
    return made


def flush_and_raise(copying: Seeding) -> list[Command]:
    """The way to the first read."""
    (flush,) = copying.pump(0)
    assert isinstance(flush, LocalFlush)
    (raise_,) = copying.flushed(0, flush.op)
    assert isinstance(raise_, Raise)
    return copying.handle(0, Done(raise_.id, "e"))


def test_it_flushes_raises_and_reads_the_dirty_regions_in_order() -> None:
    copying = resync(7, 3)
    (read,) = flush_and_raise(copying)
    assert isinstance(read, ReadVolume)
    assert (read.offset, read.limit) == (3 * REGION_BYTES, 4 * REGION_BYTES)
    out = copying.volume_read(
        0, VolumeRead(read.id, ((read.offset, 512, ("x",)),), 4 * REGION_BYTES)
    )
    put, clear, following = out
    assert isinstance(put, Put)
    assert isinstance(clear, Clear), "what the volume does not have there may be in the blob"
    assert (clear.offset, clear.length) == (read.offset + 512, REGION_BYTES - 512)
    assert isinstance(following, ReadVolume)
    assert following.offset == 7 * REGION_BYTES


def test_few_dirty_regions_are_copied_while_writes_are_captured() -> None:
    few, many = resync(1), resync(*range(CAPTURE_REGIONS + 1))
    flush_and_raise(few)
    flush_and_raise(many)
    assert few.capturing
    assert not many.capturing


def test_nothing_dirty_is_finished_after_the_flush() -> None:
    copying = resync()
    (flush,) = copying.pump(0)
    assert isinstance(flush, LocalFlush)
    copying.flushed(0, flush.op)
    assert copying.finished


def test_bits_of_a_volume_that_was_larger_are_none_of_this_one() -> None:
    copying = resync(2, 9, volume_bytes=2 * REGION_BYTES + 512)
    (read,) = flush_and_raise(copying)
    assert isinstance(read, ReadVolume)
    assert (read.offset, read.limit) == (2 * REGION_BYTES, 2 * REGION_BYTES + 512)
    copying.volume_read(0, VolumeRead(read.id, (), read.limit))
    assert copying.progress()[0] == 2 * REGION_BYTES


def test_progress_counts_what_is_known_to_be_there() -> None:
    copying = resync(0, 1)
    assert copying.progress() == (0, 2 * REGION_BYTES)
    (read,) = flush_and_raise(copying)
    assert isinstance(read, ReadVolume)
    (clear, _) = copying.volume_read(0, VolumeRead(read.id, (), REGION_BYTES))
    assert isinstance(clear, Clear)
    copying.handle(0, Done(clear.id, "e"))
    assert copying.progress() == (2 * REGION_BYTES, 2 * REGION_BYTES)


def test_a_volume_that_cannot_be_read_or_flushed_is_tried_again() -> None:
    copying = resync(5)
    (flush,) = copying.pump(0)
    assert isinstance(flush, LocalFlush)
    (timer,) = copying.volume_failed(0, flush.op)
    assert isinstance(timer, SetTimer)
    (again,) = copying.pump(BACKOFF_US)
    assert isinstance(again, LocalFlush)
    (raise_,) = copying.flushed(BACKOFF_US, again.op)
    assert isinstance(raise_, Raise)
    (read,) = copying.handle(BACKOFF_US, Done(raise_.id, "e"))
    assert isinstance(read, ReadVolume)
    copying.volume_failed(BACKOFF_US, read.id)
    (reread,) = copying.pump(2 * BACKOFF_US)
    assert isinstance(reread, ReadVolume)
    assert (reread.offset, reread.limit) == (read.offset, read.limit)
