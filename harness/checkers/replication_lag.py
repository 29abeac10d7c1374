"""Which acknowledged writes are missing from what a failover would recover, and since when."""

from collections import deque

from harness.checkers.history import PAGE_BYTES, Entry, History
from harness.checkers.image_judge import ImageJudge

__all__ = ["ReplicationLag"]


class ReplicationLag:
    """Acknowledged writes that were not yet seen in the recoverable image, oldest first.

    Zeros count in the system's favour: they may be those of the newest trim of their page. Bytes
    are those of the pages that would be lost; a page written twice counts once, a trim not at all.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._open: deque[Entry] = deque()
        self._bytes = 0
        self._judge: ImageJudge | None = None
        self._version = -1
        """By which judge, of which version of the image, the oldest is known."""

    def acknowledged(self, entry: Entry) -> None:
        """A write or trim was answered without error."""
        self._open.append(entry)
        self._bytes += _size(entry)

    def oldest(self, seen: ImageJudge, version: int) -> Entry | None:
        """The oldest one that is missing from the image that `seen` judges, of that version."""
        waiting = self._open
        if not waiting:
            return None
        if self._version == version and self._judge is seen:
            return waiting[0]
        while waiting:
            oldest = waiting[0]
            if self._is_missing(oldest, seen):
                self._judge, self._version = seen, version
                return oldest
            waiting.popleft()
            self._bytes -= _size(oldest)
        return None

    def first_missing(self, seen: ImageJudge) -> Entry | None:
        """As `oldest`, for an image that is not (yet) the recoverable one."""
        for entry in self._open:
            if self._is_missing(entry, seen):
                return entry
        return None

    def missing_bytes(self, seen: ImageJudge, version: int, limit: int) -> int:
        """Bytes of all that are missing; found exactly only where they may be over the limit."""
        self.oldest(seen, version)
        if self._bytes <= limit:
            return self._bytes
        pages: set[int] = set()
        waiting, self._open = self._open, deque()
        for entry in waiting:
            missing = self._missing(entry, seen)
            if missing:
                self._open.append(entry)
            if entry.kind == "write":
                pages.update(missing)
        self._bytes = sum(map(_size, self._open))
        return len(pages) * PAGE_BYTES

    def _is_missing(self, entry: Entry, seen: ImageJudge) -> bool:
        """Whether any of its pages shows something older."""
        for page in entry.cells:  # noqa: SIM110 - a generator is slower than the loop
            if self._lacks(entry, page, seen):
                return True
        return False

    def _missing(self, entry: Entry, seen: ImageJudge) -> list[int]:
        """Pages that show something older."""
        return [page for page in entry.cells if self._lacks(entry, page, seen)]

    def _lacks(self, entry: Entry, page: int, seen: ImageJudge) -> bool:
        """Whether that page shows something older."""
        written = entry.value
        if page < seen.end and seen.image.get(page) == written:
            return False
        value = seen.shows(page)
        if value == written or self.history.highest(page, value) >= entry.rank:
            return False
        return not seen.excuses(page, value)


def _size(entry: Entry) -> int:
    return (entry.end - entry.first) * PAGE_BYTES if entry.kind == "write" else 0
