"""What was asked of the volume, as the admissibility of an image needs it.

Every operation, resize and loss is an entry. Its rank is a position of the run: of its invocation,
and for a resize of the moment when the volume took it. Overlapping writes are never in flight
together in a volume, so of two entries on a page the one of higher rank is the newer. Rank 0 is
the volume before the run. The size of the disk is a cell like any page, under the index SIZE;
sizes are compared as disks show them, in whole MiB.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.checkers.observation import BASE, NEVER, Operation
from harness.sim.blob_requests import PutPages

__all__ = ["MIB", "PAGE_BYTES", "SIZE", "Entry", "History", "disk_bytes"]

PAGE_BYTES: Final = 512
MIB: Final = 1 << 20
SIZE: Final = -1
FEW_PAGES: Final = 64
"""So many pages are looked at one by one, whatever they hold."""


def disk_bytes(volume_bytes: int) -> int:
    """Size of the disk that holds such a volume."""
    return -(-volume_bytes // MIB) * MIB


class Entry:
    """One thing that happened to the volume.

    value: what it writes to all of its pages (None: zeros), or `values` by page; size: of a
    resize, of the disk; told: the same of the volume, as metadata tell it; settled: from which
    position on it orders what is invoked later. `cells` are the pages whose floor it raises once
    it is demanded. name: of all but writes and trims, which have `op`.
    """

    __slots__ = ("cells", "completed", "completed_us", "end", "first", "kind", "name", "op", "owed",
                 "rank", "settled", "size", "told", "value", "values")  # fmt: skip

    def __init__(self, kind: str, rank: int, first: int, end: int, op: int = 0) -> None:
        self.kind = kind
        self.rank = rank
        self.first = first
        self.end = end
        self.cells: Iterable[int] = range(first, end)
        self.value: int | None = None
        self.values: Mapping[int, object | None] | None = None
        self.size = 0
        self.completed = NEVER
        self.completed_us = NEVER
        self.settled = NEVER
        self.owed = False
        self.op = op
        self.told = ""
        self.name = ""

    def value_of(self, page: int) -> object | None:
        """What it writes to that page of its own; None: zeros."""
        return self.value if self.values is None else self.values.get(page)

    def zeroes(self, page: int) -> bool:
        """Whether it writes zeros to that page."""
        if self.values is not None:
            return page in self.values and self.values[page] is None
        return self.value is None and self.first <= page < self.end

    def __str__(self) -> str:
        if self.name:
            return self.name
        what = "trim" if self.kind == "zero" else "write"
        return f"{what} {self.op} (pages {self.first} to {self.end - 1})"


class History:
    """All entries; positions are counted here, one for each thing that happens."""

    def __init__(self) -> None:
        self.position = 0
        self.base: dict[int, int] = {}
        self.by_flush = False
        self.by_op: dict[int, Entry] = {}
        self.zeros: list[Entry] = []
        """Trims, resizes and losses, in the order of their ranks: what may write zeros."""
        self.sizes: list[Entry] = []
        self.losses: list[Entry] = []
        self.settled: list[Entry] = []
        """In the order of `settled`."""
        self.owed: list[Entry] = []
        """What must not be lost, in the order in which it became so."""
        self.touched: set[int] = set()
        self._done: list[Entry] = []
        self._done_at: list[int] = []
        self.asked_at: dict[int, int] = {}
        """Positions at which flushes and points were invoked."""
        self._flushed = 0
        self._kept = 0

    def begin(self, base: dict[int, int], volume_bytes: int, order: str) -> None:
        """Take in what there is before the run."""
        self.base = base
        self.by_flush = order == "flush"
        self.touched.update(base)
        self._add_size(0, volume_bytes, f"the first size, {volume_bytes} bytes")

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    def invoke(self, operation: Operation) -> None:
        """An operation begins."""
        self.position += 1
        if operation.kind in ("flush", "point"):
            self.asked_at[operation.op] = self.position
        elif operation.kind in ("write", "zero"):
            self._add_write(operation)

    def resized(self, operation: Operation) -> None:
        """The volume took another size."""
        self.position += 1
        name = f"resize {operation.op} to {operation.volume_bytes} bytes"
        self.by_op[operation.op] = self._add_size(self.position, operation.volume_bytes, name)

    def complete(self, now_us: int, operation: Operation) -> Entry | None:
        """An operation was answered without error; gives its entry, if it is one."""
        self.position += 1
        if operation.kind == "flush":
            self._settle_flushed(operation)
            return None
        entry = self.by_op.get(operation.op)
        if entry is None:
            return None
        entry.completed = self.position
        entry.completed_us = now_us
        self._done.append(entry)
        self._done_at.append(self.position)
        if not self.by_flush or operation.fua or operation.kind == "resize":
            self.settle(entry)
        return entry

    def settle(self, entry: Entry) -> None:
        """From now on it comes before whatever is invoked."""
        if entry.settled == NEVER:
            entry.settled = self.position
            self.settled.append(entry)

    def lose(self, pages: Mapping[int, object | None], what: str) -> None:
        """Pages show older values again: not in any order, but before all that follows."""
        self.position += 1
        entry = Entry("loss", self.position, 0, 0)
        entry.values = dict(pages)
        entry.cells = tuple(sorted(pages))
        entry.completed = self.position
        entry.name = what
        self.losses.append(entry)
        self.zeros.append(entry)
        self.settle(entry)

    def owe(self, entry: Entry) -> None:
        """From now on it must not be lost."""
        if not entry.owed:
            entry.owed = True
            self.owed.append(entry)

    def owe_flushed(self, operation: Operation) -> None:
        """Owe everything that was complete when this flush was invoked."""
        until = bisect_right(self._done_at, self.asked_at.get(operation.op, 0))
        for entry in self._done[self._kept : until]:
            self.owe(entry)
        self._kept = max(self._kept, until)

    # ── what an image shows ───────────────────────────────────────────────────────────────────

    def lowest(self, page: int, value: object | None, floor: int) -> int:
        """Rank of the oldest entry at or above `floor` that put `value` there; -1: none did."""
        if value is None:
            return self._lowest_zero(page, floor)
        if page == SIZE:
            fit = (entry.rank for entry in self.sizes if entry.size == value)
            return next((rank for rank in fit if rank >= floor), -1)
        rank = self._written(page, value)
        if rank >= floor or rank < 0:
            return rank
        for loss in self.losses:
            assert loss.values is not None
            if loss.rank >= floor and loss.values.get(page) == value:
                return loss.rank
        return -1

    def highest(self, page: int, value: object | None) -> int:
        """Rank of the newest entry that put `value` to a page (not SIZE); -1: none did."""
        if value is None:
            newest = next((e.rank for e in reversed(self.zeros) if e.zeroes(page)), -1)
            return 0 if newest < 0 and page not in self.base else newest
        rank = self._written(page, value)
        for loss in self.losses:
            assert loss.values is not None
            if rank >= 0 and loss.values.get(page) == value:
                rank = max(rank, loss.rank)
        return rank

    def entry_at(self, rank: int) -> Entry | None:
        """The entry of that rank; None: the volume before the run."""
        for entry in (*self.by_op.values(), *self.losses):
            if entry.rank == rank:
                return entry
        return None

    def pages_put(self, request: PutPages) -> Sequence[int]:
        """Of the pages that a put writes those that matter: zeros where nothing was do not."""
        values, some = request.pages, request.some
        first = request.offset // PAGE_BYTES
        end = first + len(values)
        if some is None:
            if len(values) <= FEW_PAGES or None not in values:
                return range(first, end)
            some = tuple([at for at, value in enumerate(values) if value is not None])
        return sorted({*[first + at for at in some], *self.touched_in(first, end)})

    def touched_in(self, first: int, end: int) -> tuple[int, ...]:
        """Pages that anything but zeros was ever written to, from `first` to `end`."""
        touched = self.touched
        if end - first <= FEW_PAGES:
            return tuple([page for page in range(first, end) if page in touched])
        if end - first <= len(touched):
            return tuple(sorted(touched.intersection(range(first, end))))
        return tuple(sorted([page for page in touched if first <= page < end]))

    # ── inside ────────────────────────────────────────────────────────────────────────────────

    def _add_write(self, operation: Operation) -> None:
        first, end = operation.first_page, operation.first_page + operation.pages
        entry = Entry(operation.kind, self.position, first, end, operation.op)
        if operation.kind == "zero":
            entry.cells = self.touched_in(first, end)
            self.zeros.append(entry)
        else:
            entry.value = operation.op
            self.touched.update(entry.cells)
        self.by_op[operation.op] = entry

    def _add_size(self, rank: int, volume_bytes: int, name: str) -> Entry:
        """A size; and zeros from there on, for what a shrink cuts off must not come back."""
        first = volume_bytes // PAGE_BYTES
        entry = Entry("resize", rank, first, NEVER)
        entry.size = disk_bytes(volume_bytes)
        entry.told = str(first * PAGE_BYTES)
        entry.cells = (SIZE, *self.touched_in(first, NEVER))
        entry.name = name
        self.sizes.append(entry)
        if rank:
            self.zeros.append(entry)
        return entry

    def _settle_flushed(self, operation: Operation) -> None:
        """A flush settles what was complete before it was invoked."""
        until = bisect_right(self._done_at, self.asked_at.get(operation.op, 0))
        if self.by_flush:
            for entry in self._done[self._flushed : until]:
                self.settle(entry)
        self._flushed = max(self._flushed, until)

    def _written(self, page: int, value: object) -> int:
        """Rank of the write, or of the base, that has this value for the page; -1: none."""
        if not isinstance(value, int):
            return -1
        if value >= BASE:
            return 0 if self.base.get(page) == value else -1
        entry = self.by_op.get(value)
        if entry is None or entry.value != value or not entry.first <= page < entry.end:
            return -1
        return entry.rank

    def _lowest_zero(self, page: int, floor: int) -> int:
        if floor == 0 and page not in self.base:
            return 0
        for entry in self.zeros:
            if entry.rank >= floor and entry.zeroes(page):
                return entry.rank
        return -1
