"""rpo and status-honest on hand-written histories, in both directions."""

from tests.checkers.history_run import Run

SECOND = 1_000_000


def lagging(run: Run) -> int:
    """A write that was acknowledged and is not in the blob yet."""
    return run.end(run.write(0, 2))


def test_within_the_bound_is_fine_and_counts() -> None:
    run = Run(mode="async")
    op = lagging(run)
    run.now_us += SECOND
    run.end(run.write(4))
    run.put(0, op, op)
    assert run.found() == set()
    assert run.exercised("rpo") == 2


def test_an_acknowledgement_past_the_seconds_is_told() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += SECOND + 1
    run.end(run.write(4))
    assert run.found() == {("rpo", "acknowledged-past-the-seconds")}


def test_what_is_held_back_may_grow_old() -> None:
    run = Run(mode="async")
    op = lagging(run)
    run.now_us += 60 * SECOND
    held = run.write(4)
    run.put(0, op, op)
    run.end(held)
    assert run.found() == set()


def test_an_acknowledgement_past_the_bytes_is_told() -> None:
    run = Run(mode="async", rpo_bytes=1024)
    lagging(run)
    assert run.found() == set()
    run.end(run.write(4))
    assert run.found() == {("rpo", "acknowledged-past-the-bytes")}


def test_a_page_written_twice_is_lost_once() -> None:
    run = Run(mode="async", rpo_bytes=1024)
    lagging(run)
    lagging(run)
    assert run.found() == set()


def test_a_mount_without_what_is_older_than_the_bound_is_told() -> None:
    run = Run(mode="async")
    pin = run.snapshot("resync")
    run.put(0, run.end(run.write(0)))
    run.now_us += 3 * SECOND
    run.put(1, run.end(run.write(1)))
    run.meta(mark="resync", pin=pin)
    assert run.found() == {("rpo", "acknowledged-write-lost")}


def test_a_mount_may_lose_what_is_younger() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += SECOND
    run.end(run.write(4))
    run.failover()
    assert run.found() == set()


# ── status-honest ─────────────────────────────────────────────────────────────────────────────


def test_an_honest_lag_is_fine() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += 500
    run.status(lag_us=500, lag_bytes=1024)
    run.status(lag_us=9_000, lag_bytes=9_000)
    assert run.found() == set()
    assert run.exercised("status-honest") == 2


def test_a_lag_that_is_told_too_low_is_told() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += 500
    run.status(lag_us=499, lag_bytes=1024)
    assert run.found() == {("status-honest", "lag-understated")}


def test_bytes_that_are_told_too_low_are_told() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += 500
    run.status(lag_us=500, lag_bytes=512)
    assert run.found() == {("status-honest", "lag-bytes-understated")}


def test_zero_lag_is_honest_once_all_is_there() -> None:
    run = Run(mode="async")
    op = lagging(run)
    run.put(0, op, op)
    run.now_us += 500
    run.status()
    assert run.found() == set()


def test_a_later_trim_stands_for_the_write_before_it() -> None:
    run = Run(mode="async")
    run.end(run.write(0))
    run.end(run.zero(0))
    run.clear(0)
    run.now_us += 500
    run.status()
    assert run.found() == set()


def test_protected_while_marked_is_told() -> None:
    run = Run(mode="async")
    run.meta(mark="resync", pin=run.snapshot("resync"))
    run.status(protected=False)
    assert run.found() == set()
    run.status()
    assert run.found() == {("status-honest", "protected-while-marked")}


def test_protected_by_nothing_is_told() -> None:
    run = Run(seeded=False)
    run.create(2 << 20, mark="seed")
    run.status()
    assert run.found() == {("status-honest", "protected-by-nothing")}


def test_protected_past_the_bound_is_told() -> None:
    run = Run(mode="async")
    lagging(run)
    run.now_us += SECOND + 1
    run.status(lag_us=2 * SECOND, lag_bytes=1024)
    assert run.found() == {("status-honest", "protected-past-the-bound")}


def test_what_is_there_out_of_order_counts_no_bytes() -> None:
    run = Run(mode="async", order="flush")
    run.end(run.write(0))
    op = run.end(run.write(4))
    run.put(4, op)
    run.status(lag_us=0, lag_bytes=512)
    assert run.found() == set()


def test_a_page_that_rotted_is_not_missing() -> None:
    run = Run(mode="async")
    op = run.end(run.write(0))
    run.put(0, op)
    run.end(run.write(0))
    run.blob.store.pages[0] = ("rotten", op)
    run.panel.damaged(run.now_us, "rest", None, 0)
    run.now_us += 5
    run.status()
    assert run.found() == set()
