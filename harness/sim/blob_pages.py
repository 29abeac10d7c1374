"""The pages of one blob and of its snapshots, stored sparsely, with opaque payloads.

A snapshot costs nothing when it is taken: it keeps the old value of every page that is changed
between it and the next one. So a write costs the same with any number of snapshots, no image is
ever copied, and the pages that changed since a snapshot (Get Page Ranges with `prevsnapshot`) are
what it keeps. A page that is absent reads as zeros and is not listed.
"""

from collections.abc import Iterable, Sequence

from harness.sim.blob_requests import PAGE_BYTES, Ranges

Pages = dict[int, object]
"""Page index to its value."""


class PageStore:
    """Present pages, and for each snapshot, oldest first, what was overwritten after it."""

    __slots__ = ("before", "pages")

    def __init__(self) -> None:
        self.pages: Pages = {}
        self.before: list[Pages] = []

    def put(
        self, first: int, values: tuple[object, ...], some: tuple[int, ...] | None = None
    ) -> None:
        """Write one value a page from page `first`; None is zeros, and leaves the page absent.

        some: the places in `values` that are not None, where that is known.
        """
        if some is None and None in values:
            some = tuple([at for at, value in enumerate(values) if value is not None])
        if some is not None:
            self._put_with_zeros(first, values, some)
            return
        if self.before:
            self._keep(range(first, first + len(values)))
        pages, page = self.pages, first
        for value in values:
            pages[page] = value
            page += 1

    def _put_with_zeros(
        self, first: int, values: tuple[object, ...], some: tuple[int, ...]
    ) -> None:
        self.clear(first, first + len(values))
        written = {first + at: values[at] for at in some}
        if self.before:
            self._keep(written)
        self.pages.update(written)

    def clear(self, first: int, end: int) -> None:
        """Make pages `first` to `end` (exclusive) absent."""
        pages = self.pages
        if end - first <= len(pages):
            gone = [page for page in range(first, end) if page in pages]
        else:
            gone = [page for page in pages if first <= page < end]
        if self.before:
            self._keep(gone)
        for page in gone:
            del pages[page]

    def take_snapshot(self) -> None:
        """Keep the present image as the newest snapshot."""
        self.before.append({})

    def drop_snapshot(self, index: int) -> None:
        """Forget snapshot `index`; older ones stay what they are."""
        dropped = self.before.pop(index)
        if index:
            older = self.before[index - 1]
            for page, value in dropped.items():
                older.setdefault(page, value)

    def read(self, first: int, end: int, index: int | None = None) -> tuple[object, ...]:
        """Values of pages `first` to `end`, now or in snapshot `index`; None: zeros."""
        if index is None:
            return tuple(map(self.pages.get, range(first, end)))
        return tuple([self._page_in(index, page) for page in range(first, end)])

    def image(self, index: int | None = None) -> Pages:
        """All present pages; of the blob itself the live map, which must not be changed."""
        if index is None:
            return self.pages
        image = dict(self.pages)
        for kept in reversed(self.before[index:]):
            for page, value in kept.items():
                if value is None:
                    image.pop(page, None)
                else:
                    image[page] = value
        return image

    def changed(self, since: int, until: int | None = None) -> list[int]:
        """Pages written or cleared after snapshot `since`, until snapshot `until` or now."""
        touched: Pages = {}
        for kept in self.before[since:until]:
            touched.update(kept)
        return sorted(touched)

    def _keep(self, changing: Iterable[int]) -> None:
        kept, now = self.before[-1], self.pages
        for page in changing:
            if page not in kept:
                kept[page] = now.get(page)

    def _page_in(self, index: int, page: int) -> object:
        for kept in self.before[index:]:
            if page in kept:
                return kept[page]
        return self.pages.get(page)


def byte_ranges(pages: Sequence[int]) -> Ranges:
    """Runs of sorted page indices as byte ranges."""
    runs: list[tuple[int, int]] = []
    start = last = -2
    for page in pages:
        if page != last + 1:
            if start >= 0:
                runs.append((start * PAGE_BYTES, (last + 1) * PAGE_BYTES))
            start = page
        last = page
    if start >= 0:
        runs.append((start * PAGE_BYTES, (last + 1) * PAGE_BYTES))
    return tuple(runs)
