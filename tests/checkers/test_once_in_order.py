"""ordered-once and corruption-detected on hand-written histories, in both directions."""

from harness.sim.blob_requests import PutPages
from tests.checkers.history_run import MIB, PAGE, Run, base

OLDER = ("ordered-once", "older-over-newer")


def test_newer_over_older_is_fine_and_counts() -> None:
    run = Run()
    for _ in range(3):
        run.replicated(0, 2)
    assert run.found() == set()
    assert run.exercised("ordered-once") >= 4


def test_the_same_again_is_fine() -> None:
    run = Run()
    op = run.replicated(0)
    run.put(0, op)
    assert run.found() == set()


def test_a_late_put_over_a_newer_one_is_told() -> None:
    run = Run(mode="async")
    first, second = run.write(0), run.write(0)
    run.put(0, second.op)
    run.put(0, first.op)
    assert run.found() == {OLDER}
    assert run.panel.findings[0].page == 0


def test_a_late_clear_over_a_newer_write_is_told() -> None:
    run = Run(mode="async", base=base(0))
    run.zero(0)
    run.clear(0)
    run.put(0, run.write(0).op)
    run.clear(0)
    assert OLDER in run.found()


def test_a_clear_for_a_newer_trim_is_fine() -> None:
    run = Run(mode="async", base=base(0))
    run.put(0, run.write(0).op)
    run.zero(0)
    run.clear(0)
    assert run.found() == set()


def test_what_was_there_before_the_run_must_not_come_back() -> None:
    run = Run(mode="async", base=base(4))
    run.put(4, run.write(4).op)
    run.put(4, run.setup.base[4])
    assert run.found() == {OLDER}


def test_after_a_power_loss_the_older_value_is_the_newer_one() -> None:
    run = Run()
    old = run.replicated(0)
    new = run.replicated(0)
    run.power_loss({0: old})
    run.put(0, old)
    assert run.found() == set()
    run.put(0, new)
    assert OLDER in run.found()


def test_while_the_volume_is_copied_order_is_not_asked_for() -> None:
    run = Run(mode="async")
    first, second = run.write(0), run.write(0)
    run.meta(mark="resync", pin=run.snapshot("resync"))
    run.put(0, second.op)
    run.put(0, first.op)
    run.put(0, second.op)
    run.meta(mark="none", pin="")
    assert run.found() == set()
    run.put(0, first.op)
    assert run.found() == {OLDER}


# ── corruption-detected ───────────────────────────────────────────────────────────────────────


def damaged_put(run: Run, op: int) -> PutPages:
    request = PutPages(blob="db", offset=0, length=PAGE, pages=(op,))
    run.panel.damaged(run.now_us, "request", request, 0)
    return request


def test_a_damaged_request_that_is_refused_and_sent_again_is_fine() -> None:
    run = Run()
    write = run.write(0)
    damaged_put(run, write.op)
    run.put(0, write.op)
    run.end(write)
    assert run.found() == set()
    assert run.exercised("corruption-detected") == 1


def test_a_damaged_request_that_is_applied_is_told() -> None:
    run = Run(mode="async")
    run.apply(damaged_put(run, run.write(0).op))
    assert run.found() == {("corruption-detected", "damaged-bytes-stored")}


def test_damaged_bytes_in_the_blob_are_told() -> None:
    run = Run(mode="async")
    damaged_put(run, run.write(0).op)
    run.put(0, -5)
    assert ("corruption-detected", "damaged-bytes-stored") in run.found()


def test_a_page_that_rotted_at_rest_counts_for_nothing() -> None:
    run = Run(base=base(0))
    run.blob.store.pages[0] = -9
    run.panel.damaged(run.now_us, "rest", None, 0)
    run.replicated(1)
    run.failover()
    assert run.found() == set()


def test_a_rotten_page_does_not_excuse_another() -> None:
    run = Run(mode="async", base=base(0))
    run.blob.store.pages[0] = -9
    run.panel.damaged(run.now_us, "rest", None, 0)
    run.put(2, -9)
    assert run.claims() >= {"crash-consistent"}


def test_a_shrunk_blob_forgets_what_it_cut_off() -> None:
    run = Run(mode="async")
    late = run.write(2 * MIB // PAGE - 1)
    run.begin("resize", volume_bytes=MIB)
    run.length(MIB)
    run.length(2 * MIB)
    run.put(2 * MIB // PAGE - 1, late.op)
    assert OLDER in run.found()
