"""Which acknowledged writes are missing from what a failover would recover, and since when."""

from collections import deque

from harness.checkers.history import PAGE_BYTES, Entry, History
from harness.checkers.image_judge import ImageJudge

__all__ = ["ReplicationLag"]


class ReplicationLag:
    """Acknowledged writes that were not yet seen in the recoverable image, oldest first.

    Zeros count in the system's favour: they may be those of the newest trim of their page.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._open: deque[Entry] = deque()
        self._bytes = 0

    def acknowledged(self, entry: Entry) -> None:
        """A write or trim was answered without error."""
        self._open.append(entry)
        self._bytes += _size(entry)

    def oldest(self, seen: ImageJudge) -> Entry | None:
        """The oldest one that is missing from the image that `seen` judges."""
        waiting = self._open
        while waiting and self._is_there(waiting[0], seen):
            self._bytes -= _size(waiting.popleft())
        return waiting[0] if waiting else None

    def missing_bytes(self, seen: ImageJudge, limit: int) -> int:
        """Bytes of all that are missing; found exactly only where they may be over the limit."""
        self.oldest(seen)
        if self._bytes > limit:
            self._open = deque(entry for entry in self._open if not self._is_there(entry, seen))
            self._bytes = sum(_size(entry) for entry in self._open)
        return self._bytes

    def _is_there(self, entry: Entry, seen: ImageJudge) -> bool:
        rank, highest = entry.rank, self.history.highest
        for page in entry.cells:
            value = seen.shows(page)
            if value == entry.value:
                continue
            shown = highest(page, value)
            if shown < rank and not seen.excuses(page, value):
                return False
        return True


def _size(entry: Entry) -> int:
    """Bytes that are lost with it: a trim has none."""
    return (entry.end - entry.first) * PAGE_BYTES if entry.kind == "write" else 0
