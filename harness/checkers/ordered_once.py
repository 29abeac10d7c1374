"""ordered-once: no applied request replaces a page by an older version of it.

Versions are ranked by the order in which the volume took them. The volume itself may go back (a
power loss, an operation that a crash left undone); after that the older value is the newer one.
What it does not verify: a blob that is marked while the volume is copied (writes of the meantime
follow in their order over the newer copy; what is there at the end is judged by crash-consistent),
values that nobody wrote (corruption-detected), footers (resize-faithful), order between pages.
"""

from typing import Any

from harness.checkers.checker import Checker
from harness.checkers.history import PAGE_BYTES, disk_bytes
from harness.sim.blob_requests import (
    ClearPages,
    CreateBlob,
    PutPages,
    Request,
    SetProperties,
)
from harness.sim.page_blob import PageBlob

__all__ = ["OrderedOnce"]

LIVE = ("", "none", "interval")
"""Marks under which pages only move forward: a copy of the volume sends what waited meanwhile."""


class OrderedOnce(Checker):
    """Remembers for each page of the blob the rank of what it shows."""

    claim = "ordered-once"

    def __init__(self) -> None:
        super().__init__()
        self._rank: dict[int, int] = {}

    def written(self, now_us: int, node: str, request: Request, blob: PageBlob) -> None:
        """Compare each page that was written with what it showed before."""
        if isinstance(request, PutPages):
            self._put(now_us, node, request, blob.length // PAGE_BYTES - 1)
        elif isinstance(request, ClearPages):
            self._clear(now_us, node, request)

    def changed(self, _now_us: int, _node: str, request: Request, _blob: PageBlob) -> None:
        """A new blob, or a new length."""
        if isinstance(request, CreateBlob):
            self._rank.clear()
        elif isinstance(request, SetProperties) and request.length is not None:
            self._cut(request.length)

    def _put(self, now_us: int, node: str, request: PutPages, last: int) -> None:
        values, first = request.pages, request.offset // PAGE_BYTES
        history, rank_of = self.scene.history, self._rank
        by_op, base = history.by_op, history.base
        for page in history.pages_put(request):
            value = values[page - first]
            if isinstance(value, bytes) or page >= last:
                continue
            key: Any = page  # compiled, a number becomes an object once, and not at each look
            before = rank_of.get(key, 0)
            if not before and base.get(key) == value:
                continue
            entry = by_op.get(value) if type(value) is int else None
            if entry is not None and entry.rank >= before and entry.first <= page < entry.end:
                rank_of[key] = entry.rank
            else:
                self._replaced(now_us, node, page, value or None)
            if before:
                self.count += 1

    def _clear(self, now_us: int, node: str, request: ClearPages) -> None:
        first = request.offset // PAGE_BYTES
        end = first + request.length // PAGE_BYTES
        for page in self.scene.history.touched_in(first, end):
            if page in self._rank:
                self.count += 1
            self._replaced(now_us, node, page, None)

    def _replaced(self, now_us: int, node: str, page: int, value: object | None) -> None:
        """A value that was written more than once is taken for its oldest fitting version."""
        before = self._rank.get(page, 0)
        history = self.scene.history
        rank = history.lowest(page, value, before)
        if rank < 0:
            rank = history.highest(page, value)
            if rank >= 0 and self.scene.metadata.mark in LIVE:
                self._older(now_us, node, page, value, rank)
        if rank >= 0:
            self._rank[page] = rank

    def _cut(self, length: int) -> None:
        """What a resize of the blob cuts off is gone for good: what follows must be newer."""
        history = self.scene.history
        size = length - PAGE_BYTES
        newest = next((e for e in reversed(history.sizes) if e.size == disk_bytes(size)), None)
        if newest is None:
            return
        for page in history.touched_in(size // PAGE_BYTES, 1 << 62):
            self._rank[page] = max(self._rank.get(page, 0), newest.rank)

    def _older(self, now_us: int, node: str, page: int, value: object | None, rank: int) -> None:
        history = self.scene.history
        older, newer = history.entry_at(rank), history.entry_at(self._rank[page])
        text = (
            f"a request of {node} put {older or 'what was there before the run'} over"
            f" {newer} on page {page}: late, repeated or out of order"
        )
        found = "zeros" if value is None else f"value {value}"
        self.report(now_us, "older-over-newer", text, page, f"{newer} or newer", found)
