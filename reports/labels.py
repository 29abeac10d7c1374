"""Placing of a label on, after or before its shape, and packing of both into rows."""

from dataclasses import dataclass, field
from typing import Final

from reports.wording import clip

__all__ = ["CHARACTER_WIDTH", "Label", "Rows", "place_label"]

CHARACTER_WIDTH: Final = 6.4
"""Pixels of a mean character of the 11.5 px label font; generous, as labels must not touch."""

_GAP: Final = 5.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text at `x`, `anchor` as in SVG; `start` and `end` bound what shape and text occupy."""

    text: str
    x: float
    anchor: str
    start: float
    end: float
    inside: bool = False


def place_label(
    text: str, shape: tuple[float, float], lane: tuple[float, float], *, may_be_inside: bool
) -> Label:
    """Place a text on its shape if it may and fits, else after it, else before it.

    Where it fits nowhere it goes to the roomier side, shortened.
    """
    start, end = shape
    left, right = lane
    need = len(text) * CHARACTER_WIDTH + 2 * _GAP
    if may_be_inside and need <= end - start:
        return Label(text, start + _GAP, "start", start, end, inside=True)
    room_after, room_before = right - end, start - left
    if need <= room_after or (need > room_before and room_after >= room_before):
        text = _fitted(text, room_after)
        return Label(text, end + _GAP, "start", start, min(end + need, right))
    text = _fitted(text, room_before)
    return Label(text, start - _GAP, "end", max(start - need, left), end)


def _fitted(text: str, room: float) -> str:
    return clip(text, max(int((room - 2 * _GAP) / CHARACTER_WIDTH), 0))


@dataclass(slots=True)
class Rows:
    """Rows that fill up from the first; each holds the stretches (start, end) placed in it."""

    _taken: list[list[tuple[float, float]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many rows hold something."""
        return len(self._taken)

    def place(self, start: float, end: float) -> int:
        """Take the stretch in the first row where it is free; its row number, from 0."""
        for number, row in enumerate(self._taken):
            if all(end <= taken_start or start >= taken_end for taken_start, taken_end in row):
                row.append((start, end))
                return number
        self._taken.append([(start, end)])
        return self.count - 1
