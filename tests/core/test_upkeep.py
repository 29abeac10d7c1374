"""Points, sizes and intervals of a protected volume, in a healthy world and in small trouble."""

import pytest

from engine.core.blob_metadata import Mark, parse_metadata
from engine.core.epochs import Order
from engine.core.listed_point import ListedPoint, PointKind, listed
from engine.core.messages import EINVAL, EIO, LocalFailed, ResizeRequested
from engine.core.primary import Phase
from engine.core.settings import Mode
from engine.units import MIB, PAGE_BYTES, SECOND_US
from engine.vhd import disk_bytes
from tests.core.site_pair import Plan, SitePair
from tests.core.test_site_pair import protected, run
from tests.core.world import HEALTHY, Faults

KINDS = [(mode, order) for mode in Mode for order in Order]
SIZES = (3 * MIB, 8 * MIB - 1024, 8 * MIB, 9 * MIB + 512, 20 * MIB)


def points(pair: SitePair) -> list[ListedPoint]:
    """What is listed and not doomed."""
    doomed = parse_metadata(pair.world.blob.metadata).doomed
    kept = [(sid, kept.metadata) for sid, kept in pair.world.blob.snapshots.items()]
    return [point for point in listed(kept) if point.snapshot not in doomed]


def holds(pair: SitePair, volume_bytes: int) -> None:
    """Both sides have this size and the same content."""
    assert pair.unanswered() == []
    assert pair.volume.size_bytes == volume_bytes
    assert parse_metadata(pair.world.blob.metadata).volume_bytes == volume_bytes
    assert pair.world.blob.length == disk_bytes(volume_bytes) + PAGE_BYTES
    assert pair.image() == pair.volume.pages


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("mode", "order"), KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_the_blob_follows_the_volume_to_any_size(mode: Mode, order: Order, size: int) -> None:
    pair = protected(Plan(mode, order))
    pair.write()
    op = pair.resize(size)
    pair.write()
    run(pair, 3)
    assert pair.entries[op].error == 0
    holds(pair, size)
    back = pair.resize(8 * MIB)
    run(pair, 3)
    assert pair.entries[back].error == 0
    holds(pair, 8 * MIB)


@pytest.mark.parametrize("size", [0, -512, 1000, 9 << 40])
def test_a_size_that_is_none_is_refused(size: int) -> None:
    pair = protected(Plan())
    op = pair.point()
    answers: list[tuple[int, int]] = []
    pair.primary.replied = lambda op, error: answers.append((op, error))
    pair.primary.deliver(ResizeRequested(op + 1, size))
    assert answers == [(op + 1, EINVAL)]


def test_from_the_request_on_nothing_is_written_to_what_goes_or_comes() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.resize(5 * MIB)
    beyond = pair.write(5 * MIB // PAGE_BYTES, 1)
    assert pair.entries[beyond].error == EIO
    run(pair, 2)
    pair.resize(8 * MIB)
    early = pair.write(5 * MIB // PAGE_BYTES, 1)
    assert pair.entries[early].error == EIO
    run(pair, 2)
    late = pair.write(5 * MIB // PAGE_BYTES, 1)
    run(pair, 2)
    assert pair.entries[late].error == 0
    holds(pair, 8 * MIB)


def test_a_volume_that_refuses_keeps_its_size() -> None:
    pair = protected(Plan(at_once=False))
    op = pair.resize(5 * MIB)
    pair.primary.deliver(LocalFailed(op, 28))
    assert pair.entries[op].error == 28
    pair.volume.resize(8 * MIB)
    assert pair.machine.status(pair.world.now_us).resizing is False


@pytest.mark.parametrize("size", [5 * MIB, 9 * MIB])
def test_a_resize_while_seeding_is_seeded_with_the_new_size(size: int) -> None:
    pair = SitePair(3, Plan(base_pages=8))
    pair.start()
    assert pair.world.run(SECOND_US, lambda: pair.machine.phase is Phase.SEEDING)
    op = pair.resize(size)
    assert pair.world.run(pair.world.now_us + SECOND_US, lambda: op not in pair.unanswered())
    assert pair.machine.phase is Phase.SEEDING
    pair.run_until_protected()
    run(pair, 1)
    holds(pair, size)


@pytest.mark.parametrize("size", [5 * MIB, 9 * MIB])
def test_h26_a_size_changed_while_nobody_protected_is_followed_at_the_start(size: int) -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.crash(power=False)
    pair.volume.bits = {0, 1}
    op = pair.resize(size)
    pair.entries[op].completed, pair.entries[op].error = 1 << 60, 5
    pair.volume.resize(size)
    pair.restart()
    pair.run_until_protected()
    run(pair, 1)
    holds(pair, size)


def test_the_status_says_that_it_is_resizing_and_stays_protected() -> None:
    pair = protected(Plan())
    pair.world.faults = Faults(busy=1.0)
    pair.resize(9 * MIB)
    run(pair, 1)
    status = pair.machine.status(pair.world.now_us)
    assert (status.resizing, status.errands, status.recoverable) == (True, 1, "live")
    pair.world.faults = HEALTHY
    run(pair, 3)
    assert pair.machine.status(pair.world.now_us).volume_bytes == 9 * MIB


# ── points ────────────────────────────────────────────────────────────────────────────────────


def test_a_point_on_request_holds_what_was_acknowledged_before_it() -> None:
    pair = protected(Plan(Mode.ASYNC))
    written = pair.write(0, 1)
    run(pair, 0.1)
    assert written not in pair.unanswered()
    asked = pair.point()
    run(pair, 3)
    assert pair.entries[asked].error == 0
    (point,) = points(pair)
    assert point.kind is PointKind.REQUEST
    assert pair.world.blob.snapshots[point.snapshot].pages[0] == written


def test_points_by_interval_are_taken_when_something_changed_and_the_old_ones_go() -> None:
    pair = protected(Plan(point_interval_us=SECOND_US, points_keep=2))
    for _ in range(5):
        pair.write()
        run(pair, 1)
    run(pair, 5)
    kept = points(pair)
    assert [point.kind for point in kept] == [PointKind.INTERVAL] * 2
    assert len(pair.world.blob.snapshots) <= 4, "what is doomed is deleted in the end"
    taken = pair.world.blob.snapshots_ever
    run(pair, 10)
    assert pair.world.blob.snapshots_ever == taken


def test_where_no_snapshot_can_be_taken_data_goes_on_and_the_point_follows() -> None:
    pair = protected(Plan())
    pair.world.blob.limited = True
    asked = pair.point()
    run(pair, 1)
    written = pair.write()
    run(pair, 1)
    assert pair.unanswered() == [asked]
    assert pair.entries[written].error == 0
    status = pair.machine.status(pair.world.now_us)
    assert status.protected
    assert "takes no snapshot" in status.reason
    pair.world.blob.limited = False
    run(pair, 12)
    assert pair.unanswered() == []
    assert pair.machine.status(pair.world.now_us).reason == ""


def test_a_resync_that_can_pin_no_point_waits_unprotected_and_says_why() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.standby.dead = True
    pair.write()
    run(pair, 0.1)
    pair.crash(power=False)
    pair.world.blob.limited = True
    pair.restart()
    run(pair, 30)
    status = pair.machine.status(pair.world.now_us)
    assert not status.protected
    assert "takes no snapshot" in status.reason
    pair.world.blob.limited = False
    pair.run_until_protected()


def test_h3_an_unanswered_deletion_is_asked_again_with_the_next_point() -> None:
    pair = protected(Plan(points_keep=1))
    for _ in range(2):
        pair.point()
        run(pair, 1)
    pair.world.faults = Faults(lost=1.0)
    pair.point()
    run(pair, 0.2)
    pair.world.faults = HEALTHY
    run(pair, 10)
    pair.point()
    run(pair, 3)
    assert len(points(pair)) == 1
    assert len(pair.world.blob.snapshots) == 1


# ── order interval ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", list(Mode))
def test_in_order_interval_a_failover_would_use_the_last_closing_point(mode: Mode) -> None:
    pair = protected(Plan(mode, Order.INTERVAL))
    first = parse_metadata(pair.world.blob.metadata).pin
    pair.write()
    pair.flush()
    run(pair, 4)
    state = parse_metadata(pair.world.blob.metadata)
    status = pair.machine.status(pair.world.now_us)
    assert (state.mark, status.recoverable, status.point_kind) == (
        Mark.INTERVAL,
        "point",
        "interval",
    )
    assert state.pin != first
    assert pair.unanswered() == []
    assert status.protected
    assert (status.lag_us, status.lag_bytes) == (0, 0)


def test_in_order_interval_the_lag_counts_from_the_point() -> None:
    pair = protected(Plan(Mode.ASYNC, Order.INTERVAL, max_lag_us=40 * SECOND_US))
    pair.write(0, 1)
    run(pair, 3)
    assert pair.image()[0] == pair.volume.pages[0]
    status = pair.machine.status(pair.world.now_us)
    assert status.lag_bytes == PAGE_BYTES
    assert status.lag_us >= 3 * SECOND_US - 10_000


def test_an_orderly_stop_closes_the_last_interval() -> None:
    pair = protected(Plan(Mode.ASYNC, Order.INTERVAL, max_lag_us=40 * SECOND_US))
    op = pair.write(0, 1)
    pair.stop()
    run(pair, 4)
    assert pair.machine.phase is Phase.STOPPED
    pin = parse_metadata(pair.world.blob.metadata).pin
    assert pair.world.blob.snapshots[pin].pages[0] == op
    pair.restart()
    pair.run_until_protected()


def test_after_a_crash_the_interval_that_was_open_is_closed_before_anything_is_promised() -> None:
    pair = protected(Plan(Mode.ASYNC, Order.INTERVAL, max_lag_us=40 * SECOND_US))
    op = pair.write(0, 1)
    run(pair, 8)
    assert pair.volume.bits == set(), "the live blob has it"
    pair.crash(power=False)
    pair.restart()
    pair.run_until_protected()
    pin = parse_metadata(pair.world.blob.metadata).pin
    assert pair.world.blob.snapshots[pin].pages[0] == op


def test_bits_that_an_orderly_stop_left_are_resynced_whatever_etag_it_recorded() -> None:
    pair = protected(Plan(Mode.ASYNC, at_once=False))
    pair.primary.deliver(LocalFailed(pair.write(100, 1), 5))
    pair.stop()
    run(pair, 5)
    assert pair.stopped_etag
    del pair.volume.pages[100]
    pair.restart()
    pair.run_until_protected()
    assert pair.image() == pair.volume.pages
