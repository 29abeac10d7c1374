"""points-honest, metadata-faithful, direct-write and live, in both directions."""

import pytest

from harness.sim.blob_requests import Answer, CreateBlob, PutPages
from harness.sim.blob_state import EtagSource
from harness.sim.page_blob import PageBlob
from tests.checkers.history_run import MIB, Run, base, footer


def test_a_requested_point_by_the_book_is_fine() -> None:
    run = Run()
    run.replicated(0)
    asked = run.begin("point")
    run.snapshot()
    run.end(asked)
    assert run.found() == set()
    assert run.exercised("points-honest") == 2


def test_a_point_answered_before_it_exists_is_told() -> None:
    run = Run()
    run.snapshot()
    run.end(run.begin("point"))
    assert run.found() == {("points-honest", "answered-without-a-point")}


def test_a_point_lacks_what_was_acknowledged_before() -> None:
    run = Run(mode="async")
    run.end(run.write(0))
    asked = run.begin("point")
    run.snapshot()
    run.end(asked)
    assert run.found() == {("points-honest", "point-lacks-acknowledged")}


def test_a_point_need_not_hold_what_came_later() -> None:
    run = Run(mode="async")
    asked = run.begin("point")
    run.end(run.write(0))
    run.snapshot()
    run.end(asked)
    assert run.found() == set()


def test_a_point_of_a_marked_blob_is_told() -> None:
    run = Run()
    run.meta(mark="resync", pin=run.snapshot("resync"))
    assert run.found() == set()
    run.snapshot("resync")
    assert run.found() == {("points-honest", "point-of-a-marked-blob")}


def test_a_point_that_does_not_open_is_told() -> None:
    run = Run()
    run.begin("resize", volume_bytes=3 * MIB)
    run.meta(intent=f"grow:{2 * MIB}:{3 * MIB}")
    run.length(3 * MIB)
    run.snapshot()
    assert ("points-honest", "point-does-not-open") in run.found()


def test_in_order_interval_a_point_must_be_a_cut() -> None:
    run = Run(mode="async", order="interval", seeded=False)
    run.create(2 * MIB, mark="seed")
    run.put_footer(2 * MIB)
    run.meta(mark="interval", pin=run.snapshot("interval"))
    run.end(run.write(0), promised=False)
    run.put(1, run.write(1).op)
    run.snapshot("interval")
    assert run.found() == {("points-honest", "point-is-no-cut")}


def test_a_point_is_doomed_before_it_is_deleted() -> None:
    run = Run()
    points = [run.snapshot() for _ in range(3)]
    run.meta(doomed=points[0])
    run.delete(points[0])
    assert run.found() == set()
    run.delete(points[1])
    assert run.found() == {("points-honest", "deleted-undoomed")}


def test_the_newest_points_of_the_user_stay() -> None:
    run = Run()
    points = [run.snapshot() for _ in range(2)]
    internal = run.snapshot("grow")
    run.meta(doomed=internal)
    assert run.found() == set()
    run.meta(doomed=f"{internal},{points[0]}")
    assert run.found() == {("points-honest", "retention-too-eager")}


def test_of_a_point_that_was_doubled_one_may_go() -> None:
    run = Run()
    points = [run.snapshot(sequence="7"), run.snapshot(), run.snapshot(sequence="7")]
    run.meta(doomed=points[2])
    assert run.found() == set()


def test_a_pin_must_exist() -> None:
    run = Run()
    run.meta(intent=f"grow:{2 * MIB}:{2 * MIB}", pin="2020-01-01T00:00:00.0000000Z")
    assert ("points-honest", "pinned-without-a-point") in run.found()


def test_a_pin_must_not_be_doomed() -> None:
    run = Run()
    pin = run.snapshot("resync")
    run.meta(mark="resync", pin=pin, doomed=pin)
    assert run.found() == {("points-honest", "pin-doomed")}


def test_a_doomed_point_must_not_be_mounted() -> None:
    run = Run()
    doomed = run.snapshot()
    run.meta(doomed=doomed)
    run.failover(snapshot=doomed)
    assert ("points-honest", "mounted-a-doomed-point") in run.found()


# ── metadata-faithful ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        ("label", "label-differs"), ("volume_name", "volume-name-differs"),
        ("volume_id", "volume-id-differs"), ("mode", "mode-differs"),
        ("volume_bytes", "size-differs"), ("term", "malformed"),
    ],
)  # fmt: skip
def test_a_property_that_is_missing_is_told(key: str, cause: str) -> None:
    run = Run()
    assert run.exercised("metadata-faithful") == 2
    run.meta(**{key: ""})
    assert ("metadata-faithful", cause) in run.found()


def test_a_point_must_have_the_properties_too() -> None:
    run = Run()
    run.snapshot(label="other")
    assert run.found() == {("metadata-faithful", "label-differs")}


def test_the_mounted_footer_must_name_the_volume() -> None:
    run = Run()
    run.failover()
    assert run.found() == set()
    other = Run(volume_id="", seeded=False)
    assert other.found() == set()


# ── direct-write ──────────────────────────────────────────────────────────────────────────────


def test_one_blob_is_fine() -> None:
    run = Run()
    run.replicated(0)
    assert run.found() == set()
    assert run.exercised("direct-write") >= 2


def test_a_second_object_is_told() -> None:
    run = Run()
    second = PageBlob("copy", EtagSource())
    request = CreateBlob(blob="copy", length=MIB)
    answer = second.apply(0, request)
    run.panel.applied(0, "primary", request, answer, second)
    assert run.found() == {("direct-write", "second-object")}


def test_data_kept_in_a_file_are_told() -> None:
    run = Run()
    run.panel.stored(0, "primary", "spool", 4096)
    assert run.found() == {("direct-write", "stored-elsewhere")}


# ── live ──────────────────────────────────────────────────────────────────────────────────────


def test_at_rest_and_equal_is_fine() -> None:
    run = Run(base=base(3))
    op = run.replicated(0)
    run.put(7, None)
    run.end_run(volume={0: op, 3: run.setup.base[3]})
    assert run.found() == set()
    assert run.exercised("live") == 1


def test_never_at_rest_is_told() -> None:
    run = Run()
    run.end_run(waiting_for="2 operations without an answer")
    assert run.found() == {("live", "never-at-rest")}


@pytest.mark.parametrize("volume", [{}, {0: 1, 5: 9}, {0: 2}])
def test_a_blob_that_differs_at_rest_is_told(volume: dict[int, object]) -> None:
    run = Run()
    run.replicated(0)
    run.end_run(volume=volume)
    assert run.found() == {("live", "not-converged")}


def test_a_write_that_the_medium_refused_may_differ() -> None:
    run = Run()
    refused = run.write(0, lands=False)
    run.put(0, refused.op)
    run.end(refused, error=5)
    run.end_run(volume={})
    assert run.found() == set()


def test_retention_is_not_judged_where_it_is_not_known() -> None:
    run = Run(points_keep=0)
    run.meta(doomed=run.snapshot())
    assert run.found() == set()


def test_a_footer_of_another_volume_is_told() -> None:
    run = Run()
    run.failover(footer=footer(2 * MIB, "ff" * 16))
    assert run.found() == {("metadata-faithful", "footer-of-another-volume")}


def test_an_intent_that_cannot_be_read_is_told() -> None:
    run = Run()
    run.meta(intent="stretch:1")
    assert ("metadata-faithful", "malformed") in run.found()


def test_an_oversized_put_is_told() -> None:
    run = Run(mode="async")
    request = PutPages(blob="db", offset=0, length=5 * MIB, pages=(None,))
    run.panel.applied(0, "primary", request, Answer(201), run.blob)
    assert ("direct-write", "oversized-put") in run.found()
