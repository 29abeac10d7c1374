"""Layout of the timeline: nothing leaves it, no two labels touch, large series stay small."""

from itertools import combinations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import TimelineEvent, Trial
from reports.event_table import event_rows
from reports.labels import CHARACTER_WIDTH, Label, Rows, place_label
from reports.recovery import recoveries
from reports.timeline import LANE_TITLES, TimelineDrawing
from tests.reports.sample_run import sample_record

WIDTHS = [(1040, False), (340, True)]
INSTANTS = st.floats(0, 100)
EVENTS = st.builds(
    lambda at, lane, kind, label, value, length: TimelineEvent(
        at, lane, kind, label, value, at + length if kind == "span" else None
    ),
    INSTANTS,
    st.sampled_from(list(LANE_TITLES)),
    st.sampled_from(["point", "span", "sample"]),
    st.text(max_size=120),
    st.floats(0, 1e6) | st.none(),
    INSTANTS,
)


def trial_with(events: list[TimelineEvent], **facts: float) -> Trial:
    renamed = {name.replace("__", "."): value for name, value in facts.items()}
    return msgspec.structs.replace(sample_record().trials[0], timeline=events, facts=renamed)


@settings(deadline=None, max_examples=60)
@given(events=st.lists(EVENTS, max_size=30), at=st.sampled_from(WIDTHS))
def test_everything_stays_inside_and_no_label_touches_another(
    events: list[TimelineEvent], at: tuple[int, bool]
) -> None:
    width, narrow = at
    drawing = TimelineDrawing.of(trial_with(events), width=width, narrow=narrow)
    assert {lane.lane for lane in drawing.lanes} == {event.lane for event in events}
    for lane in drawing.lanes:
        taken = [(bar.y, bar.label) for bar in lane.bars]
        taken += [(point.y, point.label) for point in lane.points]
        for y, label in taken:
            assert lane.top <= y <= lane.top + lane.height
            assert written(label)[0] >= -1
            assert written(label)[1] <= width + 1
        for (y, one), (other_y, other) in combinations(taken, 2):
            if y == other_y:
                assert one.end <= other.start or other.end <= one.start


def written(label: Label) -> tuple[float, float]:
    """Left and right edge of the text itself."""
    length = len(label.text) * CHARACTER_WIDTH
    return (label.x, label.x + length) if label.anchor == "start" else (label.x - length, label.x)


def test_lanes_follow_each_other_without_gaps() -> None:
    drawing = TimelineDrawing.of(sample_record().trials[0], width=1040, narrow=False)
    bottom = drawing.lanes_top
    for lane in drawing.lanes:
        assert lane.top == pytest.approx(bottom)
        bottom += lane.height
    assert drawing.lanes_bottom == pytest.approx(bottom)
    assert drawing.height > bottom


def test_a_large_series_becomes_one_rug_and_one_row() -> None:
    events = [TimelineEvent(n / 1000, "workload", "point", f"ack {n}") for n in range(20_000)]
    trial = trial_with(events)
    (lane,) = TimelineDrawing.of(trial, width=1040, narrow=False).lanes
    assert lane.points == []
    assert lane.rugs[0].caption == "ack · 20000"
    assert lane.rugs[0].path.count("M") <= 1040
    (row,) = event_rows(trial)
    assert row.what == "ack: 20000 times until 20.00 s"


def test_a_plot_keeps_the_largest_sample_of_each_pixel() -> None:
    values = [1.0] * 5000
    values[2500] = 40.0
    events = [
        TimelineEvent(n / 100, "replication", "sample", "lag seconds", value)
        for n, value in enumerate(values)
    ]
    (lane,) = TimelineDrawing.of(trial_with(events), width=1040, narrow=False).lanes
    (plot,) = lane.plots
    assert plot.caption == "lag seconds · max 40"
    heights = [float(point.split(",")[1]) for point in plot.line.split()]
    assert len(heights) <= 1040
    assert min(heights) == plot.y


def test_rpo_and_rto_are_bracketed_from_the_facts() -> None:
    trial = trial_with(
        [TimelineEvent(40.0, "boot", "point", "verified")],
        rto__failed_at_s=10.0,
        rto__guest_mounted_at_s=30.0,
        ledger__oldest_lost_age_s=1.5,
        raw__oldest_lost_age_s=2.5,
    )
    drawing = TimelineDrawing.of(trial, width=1040, narrow=False)
    rpo, rto = drawing.measures
    assert (rpo.label.text, rto.label.text) == ("RPO 2.50 s", "RTO 20.00 s")
    assert rpo.x + rpo.width == pytest.approx(rto.x, abs=0.2)
    assert rto.width / rpo.width == pytest.approx(8, rel=0.02)


def test_without_facts_there_is_nothing_to_bracket() -> None:
    drawing = TimelineDrawing.of(trial_with([]), width=340, narrow=True)
    assert drawing.measures == []
    assert drawing.lanes == []


@pytest.mark.parametrize(
    ("shape", "text", "anchor", "shown", "inside"),
    [
        ((0.0, 100.0), "short", "start", "short", True),
        ((0.0, 10.0), "short", "start", "short", False),
        ((190.0, 195.0), "short", "end", "short", False),
        ((80.0, 90.0), "far too long for this lane", "start", "far too long f…", False),
    ],
)
def test_a_label_goes_where_it_fits(
    shape: tuple[float, float], text: str, anchor: str, shown: str, inside: bool
) -> None:
    label = place_label(text, shape, (0.0, 200.0), may_be_inside=True)
    assert (label.anchor, label.text, label.inside) == (anchor, shown, inside)


def test_rows_fill_from_the_first() -> None:
    rows = Rows()
    assert [rows.place(*s) for s in ((0, 5), (5, 9), (4, 6), (9, 10))] == [0, 0, 1, 0]
    assert rows.count == 2


def test_the_event_table_says_what_the_drawing_shows() -> None:
    rows = event_rows(sample_record().trials[0])
    said = [(row.lane, row.what) for row in rows]
    assert ("Faults", "SIGKILL guest and primary") in said
    assert any(what.startswith("break lease, for ") for _, what in said)
    assert any(what.startswith("lag seconds: ") for _, what in said)
    times = [float(row.at.removesuffix(" s")) for row in rows]
    assert times == sorted(times)


def test_recoveries_share_the_clock_of_the_slowest() -> None:
    found = recoveries(sample_record().trials)
    assert len(found) == len(sample_record().trials)
    ends = [sum(phase.width for phase in recovery.phases) for recovery in found]
    assert max(ends) == pytest.approx(1000)
    for recovery, end in zip(found, ends, strict=True):
        assert end == pytest.approx(1000 * recovery.total_s / max(r.total_s for r in found))


def test_a_recovery_that_was_not_measured_or_runs_backwards_is_left_out() -> None:
    trial = sample_record().trials[0]
    for name, value in (("rto.fenced_at_s", 0.0), ("rto.verified_at_s", "never")):
        changed = msgspec.structs.replace(trial, facts={**trial.facts, name: value})
        assert recoveries([changed]) == []
