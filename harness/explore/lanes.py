"""The drawing on top of a replay page: a lane for each party, a dot for each happening.

The scale is not linear: a stretch in which nothing happens is shortened, for a disaster is a few
busy milliseconds in a minute of waiting.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.explore.story import Entry
from harness.explore.wording import say_time

__all__ = ["Drawing", "draw_lanes", "lane_of"]

LANES: Final = ("clients", "primary", "store", "standby", "standby-2", "world")
_NAMES: Final = {"client": "clients", "operator": "clients"}
WIDTH: Final = 1040
LEFT: Final = 86
MARGIN: Final = 8
TICK_PIXELS: Final = 110
RADII: Final = {"step": 5.0, "fault": 5.0, "mount": 5.0, "process": 5.0}


@dataclass(frozen=True, slots=True)
class Lane:
    """A party's band."""

    name: str
    y: int


@dataclass(frozen=True, slots=True)
class Dot:
    """A happening."""

    x: float
    y: int
    r: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment named on the axis."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything the template places."""

    width: int
    height: int
    left: int
    lanes: list[Lane]
    dots: list[Dot]
    ticks: list[Tick]
    finding_x: float | None


def lane_of(who: str) -> str:
    """The lane of a party; whoever has none of its own is the world's."""
    name = _NAMES.get(who, who)
    return name if name in LANES else "world"


def draw_lanes(events: Sequence[Entry], finding_us: int | None) -> Drawing:
    """Place events, as (time, kind, lane, text), and the moment of the finding."""
    used = {lane for _, _, lane, _ in events}
    names = [name for name in LANES if name in used] or ["world"]
    lanes = [Lane(name, 6 + 26 * at) for at, name in enumerate(names)]
    y_of = {lane.name: lane.y + 9 for lane in lanes}
    moments = {at_us for at_us, *_ in events}
    scale = _Scale(sorted(moments if finding_us is None else moments | {finding_us}))
    dots = [
        Dot(scale.x(at_us), y_of[lane], RADII.get(kind, 3.0), kind, f"{say_time(at_us)} {text}")
        for at_us, kind, lane, text in events
    ]
    finding_x = None if finding_us is None else scale.x(finding_us)
    return Drawing(WIDTH, 6 + 26 * len(lanes) + 24, LEFT, lanes, dots, scale.ticks(), finding_x)


class _Scale:
    """Moments to pixels; a gap takes room by the logarithm of its length."""

    def __init__(self, moments: Sequence[int]) -> None:
        self._moments = list(moments) or [0]
        total = 0.0
        self._at = [0.0]
        for before, after in zip(self._moments, self._moments[1:], strict=False):
            total += math.log2(1 + (after - before) / 1000) + 0.05
            self._at.append(total)
        self._unit = (WIDTH - LEFT - 2 * MARGIN) / total if total else 0.0

    def x(self, at_us: int) -> float:
        """Where a known moment stands."""
        at = bisect_right(self._moments, at_us) - 1
        return round(LEFT + MARGIN + self._at[max(0, at)] * self._unit, 1)

    def ticks(self) -> list[Tick]:
        """Moments to name, far enough from each other."""
        ticks: list[Tick] = []
        for moment in self._moments:
            x = self.x(moment)
            if not ticks or x - ticks[-1].x >= TICK_PIXELS:
                anchor = "end" if x > WIDTH - TICK_PIXELS / 2 else "middle"
                ticks.append(Tick(x, f"{moment / 1e6:.3f} s", anchor))
        return ticks
