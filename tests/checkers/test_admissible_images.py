"""crash-consistent and no-acked-loss on hand-written histories, in both directions."""

from tests.checkers.history_run import Run, base

STALE = ("crash-consistent", "stale")
LOST = ("no-acked-loss", "acknowledged-write-lost")


def test_writes_replicated_one_after_another_are_fine() -> None:
    run = Run(base=base(0, 1, 2))
    for page in (0, 1, 2, 0):
        run.replicated(page)
    run.failover()
    assert run.found() == set()
    assert run.exercised("crash-consistent") > 3
    assert run.exercised("no-acked-loss") == 4


def test_a_write_without_its_acknowledged_predecessor_is_told() -> None:
    run = Run(mode="async")
    run.end(run.write(0), promised=False)
    later = run.write(1)
    run.put(1, later.op)
    assert run.found() == {STALE}
    assert [f.page for f in run.panel.findings] == [0]


def test_writes_in_flight_together_may_land_in_any_order() -> None:
    run = Run(mode="async")
    first, second = run.write(0), run.write(1)
    run.put(1, second.op)
    run.put(0, first.op)
    run.end(second)
    run.end(first)
    assert run.found() == set()


def test_part_of_a_write_is_legal_until_something_follows_its_completion() -> None:
    run = Run(mode="async")
    torn = run.write(0, 2)
    run.put(0, torn.op)
    run.end(torn, promised=False)
    assert run.found() == set()
    later = run.write(5)
    run.put(5, later.op)
    assert run.found() == {STALE}


def test_order_flush_is_content_without_a_flush_between() -> None:
    run = Run(mode="async", order="flush")
    run.end(run.write(0))
    later = run.write(1)
    run.put(1, later.op)
    assert run.found() == set()
    run.end(run.write(2))
    run.flush()
    last = run.write(3)
    run.put(3, last.op)
    assert run.found() == {STALE}


def test_a_page_that_nobody_wrote_is_told() -> None:
    run = Run(base=base(3))
    run.put(3, 77)
    assert ("crash-consistent", "invented") in run.found()


def test_a_trim_counts_as_zeros_and_is_read_as_weakly_as_possible() -> None:
    run = Run(mode="async", base=base(0, 1))
    early = run.zero(0)
    run.end(early, promised=False)
    run.clear(0)
    assert run.found() == set()
    run.end(run.write(1), promised=False)
    late = run.zero(0)
    # Page 0 is zero, which the early trim explains: page 1 is not demanded.
    run.clear(0)
    assert run.found() == set()
    run.end(late, promised=False)


def test_zeros_where_nothing_was_trimmed_are_told() -> None:
    run = Run(base=base(0, 1))
    run.clear(1)
    assert STALE in run.found()


def test_a_trim_that_was_ignored_is_told_once_something_follows() -> None:
    run = Run(mode="async", base=base(0))
    run.end(run.zero(0), promised=False)
    later = run.write(4)
    run.put(4, later.op)
    assert run.found() == {STALE}


def test_an_acknowledged_write_that_is_not_in_the_blob_is_lost() -> None:
    run = Run()
    run.end(run.write(0))
    assert run.found() == {LOST}


def test_what_was_acknowledged_unprotected_is_owed_by_nobody() -> None:
    run = Run()
    run.end(run.write(0), promised=False)
    assert run.found() == set()


def test_sync_on_flush_owes_what_a_flush_covers() -> None:
    run = Run(mode="sync-on-flush")
    run.end(run.write(0))
    assert run.found() == set()
    run.flush()
    assert run.found() == {LOST}


def test_sync_on_flush_owes_a_write_with_fua_at_once() -> None:
    run = Run(mode="sync-on-flush")
    run.end(run.write(0, fua=True))
    assert run.found() == {LOST}


def test_a_flush_does_not_cover_what_was_not_complete() -> None:
    run = Run(mode="sync-on-flush")
    flush = run.begin("flush")
    run.end(run.write(0))
    run.end(flush)
    assert run.found() == set()


def test_a_mark_takes_the_live_blob_out_of_judgement_and_the_pin_in() -> None:
    run = Run(mode="async")
    run.replicated(0)
    pin = run.snapshot("resync")
    run.meta(mark="resync", pin=pin)
    run.end(run.write(0), promised=False)
    later = run.write(1)
    run.put(1, later.op)
    assert run.found() == set()
    run.meta(mark="none", pin="")
    assert run.found() == {STALE}


def test_a_point_without_what_was_acknowledged_cannot_be_pinned() -> None:
    run = Run()
    pin = run.snapshot("resync")
    run.replicated(0)
    run.meta(mark="resync", pin=pin)
    assert run.found() == {LOST}


def test_a_disk_mounted_in_spite_of_the_mark_is_judged_as_it_is() -> None:
    run = Run(mode="async")
    pin = run.snapshot("resync")
    run.meta(mark="resync", pin=pin)
    run.end(run.write(0), promised=False)
    run.put(1, run.write(1).op)
    run.failover()
    assert run.found() == {STALE}


def test_in_order_interval_the_pinned_point_is_what_counts() -> None:
    run = Run(mode="async", order="interval", seeded=False)
    run.create(2 << 20, mark="seed")
    run.put_footer(2 << 20)
    run.meta(mark="interval", pin=run.snapshot("interval"))
    first, second = run.write(0), run.write(1)
    run.end(first)
    later = run.write(2)
    run.put(2, later.op)
    assert run.found() == set()
    run.put(0, first.op)
    run.put(1, second.op)
    run.meta(pin=run.snapshot("interval"))
    assert run.found() == set()
    assert run.exercised("crash-consistent") > 0


# ── the volume itself goes back ───────────────────────────────────────────────────────────────


def test_a_power_loss_of_the_volume_may_take_the_blob_back_too() -> None:
    run = Run()
    old = run.replicated(0)
    run.replicated(0)
    run.power_loss({0: old})
    run.meta(mark="resync", pin=run.snapshot("resync"))
    run.put(0, old)
    run.meta(mark="none", pin="")
    run.replicated(1)
    assert run.found() == set()


def test_a_blob_that_keeps_what_the_volume_lost_is_told_by_the_next_write() -> None:
    run = Run()
    old = run.replicated(0)
    run.replicated(0)
    run.power_loss({0: old})
    assert run.found() == set()
    run.replicated(1)
    assert run.found() == {STALE}


def test_a_write_that_a_crash_left_undone_must_not_survive_in_the_blob_alone() -> None:
    run = Run(mode="async")
    undone = run.write(0, lands=False)
    run.put(0, undone.op)
    run.restart()
    assert run.found() == set()
    run.put(1, run.write(1).op)
    assert run.found() == {STALE}


def test_a_write_that_landed_before_the_crash_must_be_there_before_later_ones() -> None:
    run = Run(mode="async")
    run.write(0)
    run.restart()
    run.put(1, run.write(1).op)
    assert run.found() == {STALE}
