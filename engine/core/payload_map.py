"""The content of an epoch: which pages were written with what, the last writer winning.

A sparse map from byte ranges to slices of opaque payloads. It must never re-read the volume: a
request carries the bytes captured at the tap (protocol.md P2, H20).
"""

from bisect import bisect_left
from collections.abc import Iterator

from engine.core.extent import Extent
from engine.core.messages import Part
from engine.units import MIB, PUT_BYTES_MAX

Run = tuple[int, int, object, int]
"""start, end (bytes in the volume), payload (None: zeros), start within the payload."""

REGION_BYTES = MIB
"""Runs are kept in one short sorted list per region, so a random 4 KiB write costs microseconds."""


class PayloadMap:
    """Byte ranges and their newest payload; `covered` is the number of bytes it holds."""

    __slots__ = ("_regions", "covered", "high", "low")

    def __init__(self) -> None:
        self._regions: dict[int, list[Run]] = {}
        self.covered = 0
        self.low = 0
        self.high = 0

    def write(self, offset: int, length: int, payload: object) -> None:
        """Overlay `length` bytes of `payload` (None: zeros) at `offset`."""
        self._overlay(offset, offset + length, payload, 0)

    def merge(self, newer: "PayloadMap") -> None:
        """Overlay everything of `newer`."""
        for start, end, payload, skip in newer.runs():
            self._overlay(start, end, payload, skip)

    def is_contiguous(self) -> bool:
        """Whether the content is one gapless range."""
        return self.covered == self.high - self.low

    def joins(self, other: "PayloadMap") -> bool:
        """Whether two gapless maps touch or overlap, so that their union is gapless."""
        return other.low <= self.high and other.high >= self.low

    def runs(self) -> Iterator[Run]:
        """All runs, ascending, none overlapping."""
        for region in sorted(self._regions):
            yield from self._regions[region]

    def touched(self) -> Iterator[int]:
        """The start of every MiB that holds something."""
        for region in self._regions:
            yield region * REGION_BYTES

    def atomic(self) -> Extent | None:
        """The whole content as one request, which the store applies atomically, if it can be."""
        if not self.covered or not self.is_contiguous():
            return None
        runs = list(self.runs())
        for run in runs:
            if run[2] is not None:
                break
        else:
            return Extent(self.low, self.covered, None)
        if self.covered > PUT_BYTES_MAX:
            return None
        parts = [Part(payload, skip, end - start) for start, end, payload, skip in runs]
        return Extent(self.low, self.covered, tuple(parts))

    def extents(self) -> list[Extent]:
        """The content as few requests: runs of data up to 4 MiB, runs of zeros of any length."""
        whole = self.atomic()
        if whole is not None:
            return [whole]
        out: list[Extent] = []
        pending: list[Run] = []
        size = 0
        for run in self.runs():
            start, end, payload, _ = run
            if pending and (
                pending[-1][1] != start
                or (pending[-1][2] is None) != (payload is None)
                or (payload is not None and size + end - start > PUT_BYTES_MAX)
            ):
                out.append(_extent(pending, size))
                pending, size = [], 0
            pending.append(run)
            size += end - start
        if pending:
            out.append(_extent(pending, size))
        return out

    def _overlay(self, offset: int, end: int, payload: object, skip: int) -> None:
        if not self.covered:
            self.low, self.high = offset, end
        else:
            self.low = min(self.low, offset)
            self.high = max(self.high, end)
        position = offset
        while position < end:
            region = position // REGION_BYTES
            stop = min(end, (region + 1) * REGION_BYTES)
            run = (position, stop, payload, skip + position - offset)
            runs = self._regions.get(region)
            if runs is None:
                self._regions[region] = [run]
                self.covered += stop - position
            elif runs[-1][1] <= position:
                runs.append(run)
                self.covered += stop - position
            else:
                self.covered += _replace(runs, run)
            position = stop


def _replace(runs: list[Run], run: Run) -> int:
    """Put `run` over what it overlaps; returns how many bytes are covered that were not before."""
    start, end, _, _ = run
    first = bisect_left(runs, (start,))
    if first and runs[first - 1][1] > start:
        first -= 1
    last = bisect_left(runs, (end,))
    replaced = runs[first:last]
    kept: list[Run] = [run]
    gained = end - start
    for old_start, old_end, payload, skip in replaced:
        gained -= old_end - old_start
        if old_start < start:
            kept.insert(0, (old_start, start, payload, skip))
            gained += start - old_start
        if old_end > end:
            kept.append((end, old_end, payload, skip + end - old_start))
            gained += old_end - end
    runs[first:last] = kept
    return gained


def _extent(runs: list[Run], size: int) -> Extent:
    if runs[0][2] is None:
        return Extent(runs[0][0], size, None)
    parts = [Part(payload, skip, end - start) for start, end, payload, skip in runs]
    return Extent(runs[0][0], size, tuple(parts))
