"""Resync: transcripts of the copy of dirty regions, and runs of both sites after a crash."""

from itertools import count

import pytest

from engine.core.blob_metadata import BlobMetadata, Mark, parse_metadata
from engine.core.dirty import CLEAN_US
from engine.core.messages import (
    Clear,
    Command,
    Done,
    LocalFlush,
    Put,
    Raise,
    ReadVolume,
    SetTimer,
    Started,
    VolumeRead,
)
from engine.core.primary import Phase
from engine.core.seeding import BACKOFF_US, CAPTURE_REGIONS, REGION_BYTES, Seeding
from engine.core.settings import Mode
from engine.units import SECOND_US
from tests.core.site_pair import Plan, SitePair

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


# ── both sites ────────────────────────────────────────────────────────────────────────────────


def protected(mode: Mode = Mode.ASYNC) -> SitePair:
    pair = SitePair(5, Plan(mode))
    pair.start()
    pair.run_until_protected()
    return pair


def run(pair: SitePair, seconds: float) -> None:
    pair.world.run(pair.world.now_us + int(seconds * SECOND_US))


def metadata(pair: SitePair) -> BlobMetadata:
    return parse_metadata(pair.world.blob.metadata)


def run_until(pair: SitePair, phase: Phase) -> None:
    reached = pair.world.run(
        pair.world.now_us + 30 * SECOND_US, lambda: pair.machine.phase is phase
    )
    assert reached, (pair.machine.phase, pair.machine.reason)


def crashed_while_cut_off(pair: SitePair) -> None:
    """The volume has what the blob lacks."""
    pair.primary.cut = True
    for _ in range(6):
        pair.write()
    run(pair, 0.5)
    pair.crash(power=False)
    pair.world.faults = type(pair.world.faults)()


def test_after_a_crash_what_the_blob_lacks_is_sent_while_a_point_is_pinned() -> None:
    pair = protected()
    crashed_while_cut_off(pair)
    assert pair.image() != pair.volume.pages
    pair.restart()
    run_until(pair, Phase.RESYNCING)
    marked = metadata(pair)
    assert marked.mark is Mark.RESYNC
    assert marked.pin
    assert not pair.machine.status(pair.world.now_us).protected
    run_until(pair, Phase.RUNNING)
    assert pair.image() == pair.volume.pages
    assert metadata(pair).mark is Mark.NONE
    assert metadata(pair).pin == ""


def test_h30_a_second_crash_keeps_the_pin() -> None:
    pair = protected()
    crashed_while_cut_off(pair)
    pair.restart()
    run_until(pair, Phase.RESYNCING)
    pin = metadata(pair).pin
    pair.crash(power=False)
    pair.restart()
    run_until(pair, Phase.RESYNCING)
    assert metadata(pair).pin == pin
    run_until(pair, Phase.RUNNING)
    assert pair.image() == pair.volume.pages


def test_a_crash_of_an_idle_volume_needs_no_mark_and_no_data() -> None:
    pair = protected()
    pair.write()
    run(pair, 3 * CLEAN_US / SECOND_US)
    assert pair.volume.bits == set()
    pair.crash(power=True)
    pair.restart()
    seen: set[Mark] = set()

    def reached() -> bool:
        seen.add(metadata(pair).mark)
        return pair.machine.phase is Phase.RUNNING

    assert pair.world.run(pair.world.now_us + 30 * SECOND_US, reached)
    assert seen == {Mark.NONE}


def test_h28_a_power_loss_leaves_the_blob_ahead_and_resync_brings_it_back() -> None:
    pair = protected(Mode.SYNC)
    for _ in range(30):
        pair.write()
        assert pair.world.run(pair.world.now_us + SECOND_US, lambda: not pair.unanswered())
    pair.crash(power=True)
    lost = dict(pair.entries[max(pair.entries)].pages)
    assert lost, "nothing was in the cache: nothing is shown"
    assert pair.image() != pair.volume.pages
    pair.restart()
    run_until(pair, Phase.RUNNING)
    assert pair.image() == pair.volume.pages


def test_without_a_bitmap_it_refuses_and_a_reseed_pins_a_point_first() -> None:
    pair = protected()
    crashed_while_cut_off(pair)
    pair.primary = pair._new_primary()
    pair.start(Started())
    run_until(pair, Phase.REFUSED)
    assert metadata(pair).mark is Mark.NONE
    pair.restart(reseed=True)
    run_until(pair, Phase.RESYNCING)
    assert metadata(pair).pin
    assert pair.volume.bits == {0, 1}, "a crash now must not believe an empty bitmap"
    run_until(pair, Phase.RUNNING)
    assert pair.image() == pair.volume.pages


@pytest.mark.parametrize("mode", list(Mode))
def test_h7_a_blob_that_went_back_is_resynced_as_a_whole(mode: Mode) -> None:
    pair = protected(mode)
    blob = pair.world.blob
    before, number = dict(blob.pages), blob.number
    for _ in range(12):
        pair.write()
        run(pair, 0.3)
    assert blob.pages != before
    blob.pages, blob.number = before, number - 1
    blob.version += 1
    # What happens to the blob beside the protocol is nobody's breach; what follows is judged.
    pair.world.applied = lambda _node, _command: None
    last = pair.write()
    run_until(pair, Phase.RESYNCING)
    assert metadata(pair).pin
    assert not pair.machine.status(pair.world.now_us).protected
    run_until(pair, Phase.RUNNING)
    run(pair, 1)
    assert pair.image() == pair.volume.pages
    assert last not in pair.unanswered()


def test_a_crash_while_seeding_starts_the_copy_again() -> None:
    pair = SitePair(5, Plan(Mode.ASYNC))
    pair.start()
    run_until(pair, Phase.SEEDING)
    pair.crash(power=False)
    pair.restart()
    run_until(pair, Phase.SEEDING)
    assert metadata(pair).mark is Mark.SEED
    run_until(pair, Phase.RUNNING)
    assert pair.image() == pair.volume.pages
