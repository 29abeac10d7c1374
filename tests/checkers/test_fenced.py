"""fenced on hand-written histories, in both directions."""

import pytest

from tests.checkers.history_run import Run


def after_failover() -> Run:
    run = Run()
    run.replicated(0)
    run.failover()
    assert run.found() == set()
    return run


def test_a_failover_by_the_book_is_fine_and_counts() -> None:
    run = after_failover()
    run.put(3, 0, node="standby")
    run.end(run.write(0), error=5)
    run.flush()
    assert run.found() == set()
    assert run.exercised("fenced") >= 2


def test_a_late_put_of_the_old_primary_is_told() -> None:
    run = after_failover()
    run.put(0, 1)
    assert run.found() == {("fenced", "changed-by-another")}


@pytest.mark.parametrize("what", ["length", "snapshot", "clear"])
def test_other_late_changes_of_the_old_primary_are_told(what: str) -> None:
    run = after_failover()
    match what:
        case "length":
            run.length(3 << 20)
        case "snapshot":
            run.snapshot()
        case _:
            run.clear(7)
    assert ("fenced", "changed-by-another") in run.found()


def test_metadata_of_the_old_primary_is_told() -> None:
    run = after_failover()
    run.meta("primary", label="mine")
    assert ("fenced", "metadata-by-another") in run.found()


def test_an_acknowledgement_after_the_mount_is_told() -> None:
    run = after_failover()
    run.end(run.write(0), promised=False)
    assert run.found() == {("fenced", "acknowledged-after-the-mount")}


def test_a_resize_acknowledged_after_the_mount_is_told_unless_the_disk_has_it() -> None:
    run = after_failover()
    late = run.begin("resize", volume_bytes=2 << 20, lands=False)
    run.end(late, promised=False)
    assert run.found() == set()
    lost = run.begin("resize", volume_bytes=3 << 20, lands=False)
    run.end(lost, promised=False)
    assert run.found() == {("fenced", "acknowledged-after-the-mount")}


def test_in_mode_sync_the_answer_to_what_the_mounted_disk_holds_may_be_late() -> None:
    for mode, found in (("sync", set()), ("async", {("fenced", "acknowledged-after-the-mount")})):
        run = Run(mode=mode)
        late = run.write(0)
        run.put(0, late.op)
        run.failover()
        run.end(late, promised=False)
        assert run.found() == found


def test_a_mount_without_owning_is_told() -> None:
    run = Run()
    run.mount("standby")
    assert run.found() == {("fenced", "mounted-without-owning")}


def test_owning_takes_a_later_term() -> None:
    run = Run()
    run.meta("standby", owner="standby")
    assert ("fenced", "owned-without-a-term") in run.found()


def test_a_term_never_falls() -> None:
    run = after_failover()
    run.meta("standby", term="1")
    assert ("fenced", "term-fell") in run.found()


def test_two_standbys_must_not_both_hand_over() -> None:
    run = after_failover()
    run.mount("standby-2", term=2)
    assert run.claims() == {"fenced"}


def test_a_second_failover_in_a_later_term_is_fine() -> None:
    run = after_failover()
    run.failover("standby-2")
    run.put(3, 0, node="standby-2")
    assert run.found() == set()


def test_the_mounted_point_must_not_be_removed_by_others() -> None:
    run = Run()
    pin = run.snapshot("resync")
    run.meta(mark="resync", pin=pin, doomed="")
    run.meta("standby", owner="standby", term="2")
    run.mount("standby", snapshot=pin)
    assert run.found() == set()
    run.delete(pin, node="primary")
    assert ("fenced", "removed-the-mounted-point") in run.found()


def test_a_second_hand_over_in_the_same_term_is_told() -> None:
    run = after_failover()
    run.meta("standby", owner="standby-2")
    run.mount("standby-2")
    assert ("fenced", "two-writers") in run.found()


def test_in_mode_sync_an_answer_to_what_the_mounted_disk_lacks_is_told() -> None:
    run = Run()
    flying = run.write(0, 2)
    run.put(0, flying.op)
    run.failover()
    run.end(flying, promised=False)
    assert run.found() == {("fenced", "acknowledged-after-the-mount")}


def test_a_late_answer_is_not_judged_by_a_page_that_rotted_in_the_mounted_disk() -> None:
    for rotten, found in ((True, False), (False, True)):
        run = Run()
        late = run.write(0)
        run.put(0, late.op)
        run.blob.store.put(0, (("rotten", late.op),))
        if rotten:
            run.panel.damaged(run.now_us, "rest", None, 0)
        run.failover()
        run.end(late, promised=False)
        assert (("fenced", "acknowledged-after-the-mount") in run.found()) is found
