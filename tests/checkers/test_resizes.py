"""resize-faithful and consumable through grows and shrinks, step by step, in both directions."""

import pytest

from tests.checkers.history_run import MIB, PAGE, Run, base, footer

GROWN = f"grow:{2 * MIB}:{3 * MIB}"
SHRUNK = f"shrink:{2 * MIB}:{MIB}"
END = 2 * MIB // PAGE


def grow(run: Run, *, footer_first: bool = False, clear: bool = True, new: bool = True) -> None:
    """The procedure of protocol.md, or a variant of it."""
    asked = run.begin("resize", volume_bytes=3 * MIB)
    pin = run.snapshot("grow")
    run.meta(intent=GROWN, pin=pin)
    run.length(3 * MIB)
    if footer_first:
        run.put_footer(3 * MIB)
    if clear:
        run.clear(END)
    if new and not footer_first:
        run.put_footer(3 * MIB)
    run.meta(intent="", pin="", volume_bytes=str(3 * MIB))
    run.end(asked)


def shrink(run: Run, *, new_footer: bool = True) -> None:
    asked = run.begin("resize", volume_bytes=MIB)
    run.meta(intent=SHRUNK, pin=run.snapshot("shrink"))
    if new_footer:
        run.put_footer(MIB)
    run.length(MIB)
    if not new_footer:
        run.put_footer(MIB)
    run.meta(intent="", pin="", volume_bytes=str(MIB))
    run.end(asked)


def test_a_grow_and_a_shrink_by_the_book_are_fine() -> None:
    run = Run(base=base(0, END - 1))
    grow(run)
    run.replicated(END)
    run.failover()
    assert run.found() == set()
    other = Run(base=base(0, END - 1))
    shrink(other)
    other.replicated(1)
    other.failover()
    assert other.found() == set()
    assert other.exercised("resize-faithful") > 3


def test_a_grow_without_its_new_footer_is_not_consumable() -> None:
    run = Run()
    grow(run, new=False)
    assert ("consumable", "live-no-footer") in run.found()


def test_the_old_footer_may_not_stay_inside_the_disk() -> None:
    run = Run()
    grow(run, clear=False)
    assert ("resize-faithful", "footer-inside-the-disk") in run.found()


def test_the_old_footer_goes_before_the_new_one_stands() -> None:
    run = Run()
    grow(run, footer_first=True)
    assert run.found() == {("resize-faithful", "footer-inside-the-disk")}


def test_a_shrink_without_the_new_footer_first_is_told() -> None:
    run = Run()
    shrink(run, new_footer=False)
    assert ("resize-faithful", "shrink-without-footer") in run.found()


def test_the_window_of_a_grow_is_measured() -> None:
    run = Run()
    run.begin("resize", volume_bytes=3 * MIB)
    run.meta(intent=GROWN, pin=run.snapshot("grow"))
    run.length(3 * MIB)
    run.now_us += 7_000
    run.clear(END)
    run.put_footer(3 * MIB)
    consumable = next(c for c in run.panel.checkers if c.claim == "consumable")
    assert getattr(consumable, "unmountable_us") == 7_000  # noqa: B009 - of this checker alone
    assert run.found() == set()


def test_a_resize_that_the_volume_did_not_take_is_told() -> None:
    run = Run()
    run.begin("resize", volume_bytes=3 * MIB, lands=False)
    run.meta(intent=GROWN, pin=run.snapshot("grow"))
    assert ("resize-faithful", "wrong-size") in run.found()


def test_a_blob_of_the_old_size_may_not_show_what_follows_an_answered_resize() -> None:
    run = Run(mode="async")
    run.end(run.begin("resize", volume_bytes=3 * MIB), promised=False)
    run.put(0, run.write(0).op)
    assert ("resize-faithful", "wrong-size") in run.found()


def test_an_answered_resize_must_be_in_the_blob() -> None:
    run = Run()
    run.end(run.begin("resize", volume_bytes=3 * MIB))
    assert ("resize-faithful", "resize-answered-early") in run.found()
    assert ("metadata-faithful", "size-not-replicated") in run.found()


def test_cut_off_data_that_are_there_after_a_later_write_are_told() -> None:
    run = Run(mode="async", base=base(END - 1))
    run.end(run.begin("resize", volume_bytes=2 * MIB - PAGE), promised=False)
    run.put(0, run.write(0).op)
    assert run.found() == {("resize-faithful", "cut-off-data-is-back")}


def test_what_a_shrink_cut_off_must_not_come_back() -> None:
    run = Run(base=base(0, END - 1))
    shrink(run)
    asked = run.begin("resize", volume_bytes=2 * MIB)
    run.meta(intent=f"grow:{MIB}:{2 * MIB}", pin=run.snapshot("grow"))
    run.length(2 * MIB)
    run.clear(MIB // PAGE)
    run.put(END - 1, run.setup.base[END - 1])
    run.put_footer(2 * MIB)
    run.meta(intent="", pin="", volume_bytes=str(2 * MIB))
    run.end(asked)
    found = run.found()
    assert ("resize-faithful", "acknowledged-resize-lost") in found
    assert ("ordered-once", "older-over-newer") in found


def test_a_tail_inside_one_mib_is_cleared() -> None:
    """The disk stays as large, what the volume lost reads zero (H25)."""
    for cleared in (True, False):
        run = Run(base=base(END - 1))
        asked = run.begin("resize", volume_bytes=2 * MIB - PAGE)
        if cleared:
            run.clear(END - 1)
        run.meta(volume_bytes=str(2 * MIB - PAGE))
        run.end(asked)
        lost = {("resize-faithful", "acknowledged-resize-lost")}
        assert run.found() == (set() if cleared else lost)


def test_writes_that_a_shrink_cuts_off_are_not_lost() -> None:
    run = Run()
    run.replicated(END - 1)
    shrink(run)
    run.replicated(0)
    assert run.found() == set()


def test_an_open_intent_is_judged_as_rolled_forward() -> None:
    run = Run(base=base(0, END - 1))
    run.begin("resize", volume_bytes=MIB)
    run.meta(intent=SHRUNK, pin=run.snapshot("shrink"))
    run.put_footer(MIB)
    assert run.found() == set()
    run.put_footer(MIB - PAGE, footer(MIB))
    assert ("resize-faithful", "footer-inside-the-disk") in run.found()


def test_an_intent_must_fit_the_blob() -> None:
    run = Run()
    run.begin("resize", volume_bytes=3 * MIB)
    run.meta(intent=f"grow:{5 * MIB}:{3 * MIB}", pin=run.snapshot("grow"))
    assert ("consumable", "intent-of-other-sizes") in run.found()


# ── consumable without a resize ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "what", "cause"),
    [
        (64, b"\0\0\0\0", "live-checksum"),
        (28, b"vpc ", "live-checksum"),
        (0, b"xonectix", "live-no-footer"),
    ],
)
def test_a_damaged_footer_is_told(at: int, what: bytes, cause: str) -> None:
    run = Run()
    raw = footer(2 * MIB)
    run.put_footer(2 * MIB, raw[:at] + what + raw[at + len(what) :])
    assert run.found() == {("consumable", cause)}


def test_a_footer_of_another_size_is_told() -> None:
    run = Run()
    run.put_footer(2 * MIB, footer(MIB))
    assert ("consumable", "live-length") in run.found()


def test_seeding_may_be_without_a_footer_but_not_afterwards() -> None:
    run = Run(seeded=False)
    run.create(2 * MIB, mark="seed")
    run.put(0, 0)
    assert run.found() == set()
    run.meta(mark="none")
    assert run.found() == {("consumable", "live-no-footer")}


def test_what_could_be_recovered_once_must_stay_recoverable() -> None:
    run = Run()
    run.meta(mark="resync")
    assert run.found() == {("consumable", "nothing-to-recover")}


def test_a_pinned_point_must_open() -> None:
    run = Run()
    run.put_footer(2 * MIB, bytes(512))
    run.meta(mark="resync", pin=run.snapshot("resync"))
    assert ("consumable", "point-no-footer") in run.found()


def test_a_mounted_disk_must_open() -> None:
    run = Run()
    run.failover(footer=bytes(512))
    assert run.found() == {("consumable", "mounted-no-footer")}


def test_a_mounted_disk_must_have_no_footer_inside() -> None:
    run = Run()
    size = 2 * MIB
    image = {size // PAGE: footer(size), MIB // PAGE: footer(MIB)}
    run.failover(image=image)
    assert run.found() == {("resize-faithful", "footer-inside-the-disk")}


def test_a_clear_takes_a_footer_away() -> None:
    run = Run()
    run.clear(END)
    assert ("consumable", "live-no-footer") in run.found()
    run.put_footer(2 * MIB)
    assert run.claims() == {"consumable"}


def test_after_a_crash_the_blob_must_follow_a_shrink_before_it_shows_new_writes() -> None:
    run = Run(mode="async", base=base(0, END - 1))
    run.begin("resize", volume_bytes=MIB)
    run.restart()
    run.put(1, run.write(1).op)
    assert run.found() == {("resize-faithful", "wrong-size")}


def test_a_write_left_undone_before_a_shrink_was_is_still_found() -> None:
    run = Run(mode="async", base=base(0, END - 1))
    run.put(0, run.write(0, lands=False).op)
    shrink(run)
    run.restart()
    run.put(1, run.write(1).op)
    assert run.found() == {("crash-consistent", "stale")}
