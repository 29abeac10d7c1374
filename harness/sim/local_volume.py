"""The protected volume, with a volatile cache: what is not flushed can be lost, page by page.

`kept` holds, for the time since each flush that was begun, the older value of every page that was
written since; the oldest is the value on the medium. So a write costs the same however much is
cached, and no image is copied.
"""

from typing import Any

from harness.sim.blob_requests import PAGE_BYTES

__all__ = ["LocalVolume"]

READ_PAGES_MAX = 8192
"""4 MiB of data are one answer."""
READ_RUNS_MAX = 6
"""So few runs are one answer, so that walking a volume takes several."""

TEAR_BITS = 32

Runs = tuple[tuple[int, int, object], ...]


class LocalVolume:
    """`pages`: what a reader sees, cache included; absent: zeros."""

    __slots__ = ("kept", "pages", "size_bytes", "write_through")

    def __init__(self, size_bytes: int, pages: dict[int, int], *, write_through: bool) -> None:
        self.size_bytes = size_bytes
        self.pages: dict[int, object] = dict(pages)
        self.write_through = write_through
        self.kept: list[dict[int, object | None]] = [{}]

    def fits(self, offset: int, length: int) -> bool:
        """Whether the extent lies in the volume."""
        return offset + length <= self.size_bytes

    def write(self, first: int, values: tuple[object, ...]) -> None:
        """Write one value a page from page `first`."""
        pages, kept = self.pages, self.kept[-1]
        keeps = not self.write_through
        page = first
        for value in values:
            key: Any = page  # compiled, a number becomes an object once, and not at each look
            if keeps and key not in kept:
                kept[key] = pages.get(key)
            pages[key] = value
            page += 1

    def zero(self, first: int, end: int) -> None:
        """Make pages read zero."""
        pages = self.pages
        if end - first <= len(pages):
            gone = [page for page in range(first, end) if page in pages]
        else:
            gone = [page for page in pages if first <= page < end]
        kept = self.kept[-1]
        for page in gone:
            if not self.write_through:
                kept.setdefault(page, pages[page])
            del pages[page]

    def resize(self, size_bytes: int) -> None:
        """Durable at once, as a file's size is after an fsync; what is cut off never comes back."""
        self.size_bytes = size_bytes
        end = -(-size_bytes // PAGE_BYTES)
        for pages in (self.pages, *self.kept):
            for page in [page for page in pages if page >= end]:
                del pages[page]

    def begin_flush(self) -> dict[int, object | None]:
        """A flush starts; returns what it covers, to be given to `end_flush`."""
        covered = self.kept[-1]
        self.kept.append({})
        return covered

    def end_flush(self, covered: dict[int, object | None]) -> None:
        """Everything kept up to and including `covered` is on the medium now."""
        for at, kept in enumerate(self.kept):
            if kept is covered:
                del self.kept[: at + 1]
                return

    def read(self, offset: int, limit: int) -> tuple[Runs, int]:
        """What is written in [offset, limit), in runs, and up to where the answer goes."""
        first, end = offset // PAGE_BYTES, min(limit, self.size_bytes) // PAGE_BYTES
        found = sorted(page for page in self.pages if first <= page < end)
        runs: list[tuple[int, int, object]] = []
        values: list[object] = []
        start = 0
        for count, page in enumerate(found):
            if values and page != start + len(values):
                runs.append(_run(start, values))
                values = []
                if len(runs) == READ_RUNS_MAX or count >= READ_PAGES_MAX:
                    return tuple(runs), page * PAGE_BYTES
            if not values:
                start = page
            values.append(self.pages[page])
        if values:
            runs.append(_run(start, values))
        return tuple(runs), limit

    def lose_power(self, tear: int) -> tuple[dict[int, object | None], int]:
        """Drop what is cached; returns the pages that hold older values again, and what survived.

        tear: 0 loses every cached page; else its bits say which of them, in ascending order.
        """
        on_medium: dict[int, object | None] = {}
        for kept in self.kept:
            for page, value in kept.items():
                on_medium.setdefault(page, value)
        self.kept = [{}]
        cached = [page for page in sorted(on_medium) if self.pages.get(page) != on_medium[page]]
        lost = {
            page: on_medium[page]
            for at, page in enumerate(cached)
            if not tear or tear >> at % TEAR_BITS & 1
        }
        for page, value in lost.items():
            if value is None:
                del self.pages[page]
            else:
                self.pages[page] = value
        return lost, len(cached) - len(lost)


def _run(start: int, values: list[object]) -> tuple[int, int, object]:
    return (start * PAGE_BYTES, len(values) * PAGE_BYTES, tuple(values))
