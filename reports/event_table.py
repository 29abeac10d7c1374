"""A trial's timeline in words, for those who cannot see the drawing or want to search it.

Single events are one row each; a long series (acknowledgements, samples of lag) is one row for
all of it.
"""

from dataclasses import dataclass

from harness.evidence import TimelineEvent, Trial
from reports.timeline import LANE_TITLES, RUG_FROM, series
from reports.wording import seconds

__all__ = ["EventRow", "event_rows"]


@dataclass(frozen=True, slots=True)
class EventRow:
    """When, on which lane, and what."""

    at: str
    lane: str
    what: str


def event_rows(trial: Trial) -> list[EventRow]:
    """Every event of the trial, in order of time, long series summed up."""
    rows: list[tuple[float, EventRow]] = []
    for lane, title in LANE_TITLES.items():
        events = [event for event in trial.timeline if event.lane == lane]
        for label, samples in series(events, "sample").items():
            rows.append((samples[0].at_s, _summed_samples(title, label, samples)))
        for label, points in series(events, "point").items():
            if len(points) < RUG_FROM:
                rows += [(p.at_s, EventRow(_at(p.at_s), title, p.label)) for p in points]
            else:
                rows.append((points[0].at_s, _summed_points(title, label, points)))
        for span in (event for event in events if event.kind == "span"):
            end_s = span.at_s if span.until_s is None else span.until_s
            what = f"{span.label}, for {seconds(end_s - span.at_s)}"
            rows.append((span.at_s, EventRow(_at(span.at_s), title, what)))
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def _at(at_s: float) -> str:
    return f"{at_s:.2f} s"


def _summed_samples(lane: str, label: str, samples: list[TimelineEvent]) -> EventRow:
    values = [sample.value or 0.0 for sample in samples]
    what = (
        f"{label}: {len(samples)} samples until {_at(samples[-1].at_s)},"
        f" from {min(values):.4g} to {max(values):.4g}"
    )
    return EventRow(_at(samples[0].at_s), lane, what)


def _summed_points(lane: str, label: str, points: list[TimelineEvent]) -> EventRow:
    what = f"{label}: {len(points)} times until {_at(points[-1].at_s)}"
    return EventRow(_at(points[0].at_s), lane, what)
