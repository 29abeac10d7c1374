"""Layout of one trial's timeline: events in, shapes at SVG coordinates out; nothing is rendered.

Every lane gets, from top to bottom: a plot for each series of samples, rows of spans, rows of
labelled points. A series of many points ("ack 1", "ack 2", ...) becomes a rug that shows its
density. Labels never overlap: what does not fit beside its neighbours goes to a new row. Two
widths are laid out, for wide and for narrow screens; the page shows one of them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from harness.evidence import Lane, TimelineEvent, Trial
from reports.labels import Label, Rows, place_label
from reports.wording import seconds

__all__ = [
    "LANE_TITLES",
    "RUG_FROM",
    "Bar",
    "LaneDrawing",
    "Measure",
    "Plot",
    "Point",
    "Rug",
    "TimelineDrawing",
    "series",
]

LANE_TITLES: Final[dict[Lane, str]] = {
    "workload": "Workload",
    "replication": "Replication",
    "store": "Blob store",
    "faults": "Faults",
    "detection": "Detection",
    "failover": "Failover",
    "boot": "Recovery VM",
}
assert tuple(LANE_TITLES) == get_args(Lane)

PLOT_HEIGHT: Final = 42
CAPTION_HEIGHT: Final = 14
ROW_HEIGHT: Final = 21
RUG_HEIGHT: Final = 12
LANE_PADDING: Final = 8
RUG_FROM: Final = 8
"""A series of at least so many points is drawn as a rug, without labels."""
MEASURE_HEIGHT: Final = 26
AXIS_HEIGHT: Final = 26
TICK_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Point:
    """A labelled instant; `title` is the whole text where the label had to be shortened."""

    x: float
    y: float
    label: Label
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled span, with its duration in the label."""

    x: float
    y: float
    width: float
    label: Label
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A series of samples as an area under a line (SVG point lists)."""

    y: float
    line: str
    area: str
    caption: str


@dataclass(frozen=True, slots=True)
class Rug:
    """Many points of one kind: an SVG path of thin strokes."""

    y: float
    path: str
    caption: str


@dataclass(slots=True)
class LaneDrawing:
    """One lane's shapes; `top` and `height` are its band, `title_y` the base line of its name."""

    lane: Lane
    title: str
    top: float
    height: float = 0.0
    title_y: float = 0.0
    plots: list[Plot] = field(default_factory=list)
    rugs: list[Rug] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measure:
    """A bracket over the lanes that shows an achieved figure, RPO or RTO."""

    name: str
    x: float
    width: float
    y: float
    label: Label


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds to pixels."""

    until_s: float
    left: float
    right: float

    @property
    def lane(self) -> tuple[float, float]:
        """Left and right edge of the lanes."""
        return self.left, self.right

    def x(self, at_s: float) -> float:
        """Pixel of an instant, kept inside the lane."""
        share = min(max(at_s / self.until_s, 0.0), 1.0)
        return round(self.left + share * (self.right - self.left), 1)


@dataclass(frozen=True, slots=True)
class TimelineDrawing:
    """One trial's timeline at one width, in pixels."""

    width: int
    height: float
    left: float
    right: float
    lanes_top: float
    lanes_bottom: float
    lanes: list[LaneDrawing]
    ticks: list[tuple[float, str]]
    faults: list[float]
    measures: list[Measure]

    @classmethod
    def of(cls, trial: Trial, *, width: int, narrow: bool) -> "TimelineDrawing":
        """Lay a trial out; on narrow screens the lanes' names stand above the lanes."""
        until_s = max((_end(event) for event in trial.timeline), default=1.0) * 1.02 or 1.0
        scale = Scale(until_s, 4 if narrow else 112, width - 4)
        measures = _measures(trial, scale)
        top = float(MEASURE_HEIGHT * len(measures) + 4)
        lanes = []
        cursor = top
        for lane in LANE_TITLES:
            events = [event for event in trial.timeline if event.lane == lane]
            if events:
                drawing = _lane(lane, events, scale, cursor, narrow=narrow)
                cursor += drawing.height
                lanes.append(drawing)
        return cls(
            width=width,
            height=cursor + AXIS_HEIGHT,
            left=scale.left,
            right=scale.right,
            lanes_top=top,
            lanes_bottom=cursor,
            lanes=lanes,
            ticks=_ticks(scale, 6 if narrow else 12),
            faults=sorted({scale.x(e.at_s) for e in trial.timeline if e.lane == "faults"})[:8],
            measures=measures,
        )


def _end(event: TimelineEvent) -> float:
    return event.until_s if event.until_s is not None else event.at_s


def _lane(
    lane: Lane, events: Sequence[TimelineEvent], scale: Scale, top: float, *, narrow: bool
) -> LaneDrawing:
    drawing = LaneDrawing(lane, LANE_TITLES[lane], top)
    cursor = top + LANE_PADDING + (CAPTION_HEIGHT + 2 if narrow else 0)
    for label, samples in series(events, "sample").items():
        drawing.plots.append(_plot(label, samples, scale, cursor + CAPTION_HEIGHT))
        cursor += CAPTION_HEIGHT + PLOT_HEIGHT + 4
    drawing.bars, cursor = _bars([e for e in events if e.kind == "span"], scale, cursor)
    single: list[TimelineEvent] = []
    for label, points in series(events, "point").items():
        if len(points) < RUG_FROM:
            single += points
        else:
            drawing.rugs.append(_rug(label, points, scale, cursor + CAPTION_HEIGHT))
            cursor += CAPTION_HEIGHT + RUG_HEIGHT + 5
    drawing.points, cursor = _points(single, scale, cursor)
    drawing.height = cursor + LANE_PADDING - top
    drawing.title_y = top + 18 if narrow else top + drawing.height / 2 + 4
    return drawing


def series(events: Iterable[TimelineEvent], kind: str) -> dict[str, list[TimelineEvent]]:
    """Events of one kind by label; running numbers do not make a new series."""
    series: dict[str, list[TimelineEvent]] = {}
    for event in sorted(events, key=lambda e: e.at_s):
        if event.kind == kind:
            series.setdefault(re.sub(r"\s*\d+", "", event.label) or event.label, []).append(event)
    return series


def _plot(label: str, samples: list[TimelineEvent], scale: Scale, y: float) -> Plot:
    """One point a pixel at most: of the samples that share a pixel the largest shows."""
    largest: dict[float, float] = {}
    for sample in samples:
        x = round(scale.x(sample.at_s))
        largest[x] = max(largest.get(x, 0.0), sample.value or 0.0)
    peak = max(largest.values(), default=0.0)
    base = y + PLOT_HEIGHT
    height = PLOT_HEIGHT / peak if peak > 0 else 0.0
    line = " ".join(f"{x:g},{base - value * height:.1f}" for x, value in largest.items())
    first, last = min(largest), max(largest)
    return Plot(
        y, line, f"{first:g},{base:g} {line} {last:g},{base:g}", f"{label} · max {peak:.4g}"
    )


def _rug(label: str, points: list[TimelineEvent], scale: Scale, y: float) -> Rug:
    pixels = sorted({round(scale.x(point.at_s)) for point in points})
    path = "".join(f"M{x:g} {y:g}v{RUG_HEIGHT}" for x in pixels)
    return Rug(y, path, f"{label} · {len(points)}")


def _bars(spans: list[TimelineEvent], scale: Scale, top: float) -> tuple[list[Bar], float]:
    bars, rows = [], Rows()
    for span in sorted(spans, key=lambda e: e.at_s):
        x = scale.x(span.at_s)
        end = max(scale.x(_end(span)), x + 3.0)
        title = f"{span.label} · {seconds(_end(span) - span.at_s)}"
        label = place_label(title, (x, end), scale.lane, may_be_inside=True)
        y = top + rows.place(label.start, label.end) * ROW_HEIGHT
        bars.append(Bar(x, y, round(end - x, 1), label, title))
    return bars, top + rows.count * ROW_HEIGHT


def _points(points: list[TimelineEvent], scale: Scale, top: float) -> tuple[list[Point], float]:
    placed, rows = [], Rows()
    for point in sorted(points, key=lambda e: e.at_s):
        x = scale.x(point.at_s)
        title = f"{point.label} · at {seconds(point.at_s)}"
        label = place_label(point.label, (x - 5, x + 5), scale.lane, may_be_inside=False)
        y = top + rows.place(label.start, label.end) * ROW_HEIGHT + ROW_HEIGHT / 2
        placed.append(Point(x, y, label, title))
    return placed, top + rows.count * ROW_HEIGHT


def _measures(trial: Trial, scale: Scale) -> list[Measure]:
    """RPO and RTO as brackets, from the facts of the trial where it has them."""
    failed = _fact(trial, "rto.failed_at_s")
    if failed is None:
        return []
    spans = []
    lost = [_fact(trial, f"{workload}.oldest_lost_age_s") for workload in ("ledger", "raw")]
    if known := [age for age in lost if age is not None]:
        spans.append(("RPO", failed - max(known), failed))
    mounted = _fact(trial, "rto.guest_mounted_at_s")
    if mounted is not None:
        spans.append(("RTO", failed, mounted))
    return [_measure(*span, row, scale) for row, span in enumerate(spans)]


def _measure(name: str, start_s: float, end_s: float, row: int, scale: Scale) -> Measure:
    x, end = scale.x(start_s), scale.x(end_s)
    lost_nothing = name == "RPO" and end_s <= start_s
    label = "RPO 0 s: nothing lost" if lost_nothing else f"{name} {seconds(end_s - start_s)}"
    place = place_label(label, (x, max(end, x + 1.0)), scale.lane, may_be_inside=False)
    return Measure(name, x, max(round(end - x, 1), 1.0), row * MEASURE_HEIGHT + 14, place)


def _fact(trial: Trial, name: str) -> float | None:
    value = trial.facts.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ticks(scale: Scale, most: int) -> list[tuple[float, str]]:
    step = next((s for s in TICK_STEPS_S if scale.until_s / s <= most), scale.until_s / most)
    count = int(scale.until_s / step)
    return [(scale.x(n * step), f"{n * step:g} s") for n in range(count + 1)]
