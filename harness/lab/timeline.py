"""The timeline of one trial: what happened when, in seconds since the trial's start."""

import threading
import time
from collections.abc import Sequence
from typing import Final

from harness.evidence import Lane, TimelineEvent

__all__ = ["Timeline", "thinned"]

SAMPLES_MAX: Final = 300
"""Points of one curve in a report; more cannot be seen."""


class Timeline:
    """Collects events from several threads. Absolute times are CLOCK_MONOTONIC seconds."""

    def __init__(self) -> None:
        self.origin = time.monotonic()
        self._events: list[TimelineEvent] = []
        self._lock = threading.Lock()

    def since_start(self, at: float) -> float:
        """Seconds since the trial's start, rounded to microseconds."""
        return round(at - self.origin, 6)

    def point(self, lane: Lane, label: str, at: float | None = None) -> float:
        """Something happened; returns its time since the start."""
        when = self.since_start(time.monotonic() if at is None else at)
        self._add(TimelineEvent(when, lane, "point", label))
        return when

    def span(self, lane: Lane, label: str, begin: float, end: float) -> None:
        """Something lasted from `begin` to `end`."""
        until = self.since_start(end)
        self._add(TimelineEvent(self.since_start(begin), lane, "span", label, None, until))

    def curve(self, lane: Lane, label: str, points: Sequence[tuple[float, float]]) -> None:
        """Samples of one series, thinned to what a report can show."""
        for at, value in thinned(points):
            self._add(TimelineEvent(self.since_start(at), lane, "sample", label, value))

    def events(self) -> list[TimelineEvent]:
        """Everything so far, by time."""
        with self._lock:
            return sorted(self._events, key=lambda event: event.at_s)

    def _add(self, event: TimelineEvent) -> None:
        with self._lock:
            self._events.append(event)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `SAMPLES_MAX` points: the highest of each stretch, and the last of all."""
    if len(points) <= SAMPLES_MAX:
        return list(points)
    step = -(-len(points) // (SAMPLES_MAX - 1))
    stretches = [points[at : at + step] for at in range(0, len(points), step)]
    kept = [max(stretch, key=lambda point: point[1]) for stretch in stretches]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
