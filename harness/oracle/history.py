"""What the workload asked of its disk and what it was told: the oracle's other half.

Built from the lines that a guest sends, in the order in which they came:

    inv N OFFSET LENGTH [zero|fua]   before write N is submitted (N = 1, 2, 3, ... without gaps)
    done N                           after it was seen complete
    fail N ERRNO                     it ended in an error, and may be there all the same
    flush F / flushed F              before a flush is submitted, after it was seen complete

The order of the lines is the oracle's time: `done` comes after the completion and `inv` before the
submission, so "done q stands before inv r" implies that q had completed before r was invoked. A
line that the kill swallowed can only weaken what is demanded. Seconds are those of the reader of
the lines; they serve the loss rule of the asynchronous mode and the figures. A last line that the
kill cut short must not be passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NEVER",
    "Columns",
    "Flush",
    "History",
    "HistoryError",
    "Order",
    "Write",
    "WriteKind",
    "read_history",
]

PAGE_BYTES: Final = 512
NEVER: Final = 1 << 62
"""Position of something that did not happen."""

Order = Literal["strict", "flush"]
WriteKind = Literal["data", "fua", "zero"]

_KINDS: Final[dict[str, WriteKind]] = {"data": "data", "fua": "fua", "zero": "zero"}


class HistoryError(ValueError):
    """These lines are no history of a workload that keeps the rules; nothing can be judged."""


@dataclass(slots=True)
class Write:
    """One write, trim or write-zeroes. Positions are line numbers, NEVER if it did not happen."""

    number: int
    first_page: int
    pages: int
    kind: WriteKind
    invoked: int
    invoked_s: float
    completed: int = NEVER
    completed_s: float = float("inf")
    failed: bool = False

    @property
    def end_page(self) -> int:
        """First page after it."""
        return self.first_page + self.pages

    def __str__(self) -> str:
        what = "zeroes" if self.kind == "zero" else "write"
        size = f"{self.pages} page{'' if self.pages == 1 else 's'}"
        return f"{what} {self.number} ({size} at page {self.first_page})"


@dataclass(slots=True)
class Flush:
    """One flush; positions as in Write."""

    number: int
    invoked: int
    completed: int = NEVER
    completed_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Columns:
    """The writes as arrays, row N - 1 for write N: bulk work needs no objects."""

    first: list[int]
    end: list[int]
    invoked: NDArray[np.int64]
    completed: NDArray[np.int64]
    completed_s: NDArray[np.float64]
    zero: NDArray[np.bool_]
    forced: NDArray[np.bool_]


@dataclass(slots=True)
class History:
    """All operations; write N is `writes[N - 1]`, in the order of their invocation."""

    writes: list[Write] = field(default_factory=list)
    flushes: list[Flush] = field(default_factory=list)

    def in_flight(self) -> int:
        """Count the writes that had neither completed nor failed at the end."""
        return sum(1 for write in self.writes if write.completed == NEVER and not write.failed)

    def completed(self) -> int:
        """Count the writes that were seen complete."""
        return sum(1 for write in self.writes if write.completed != NEVER)

    def columns(self) -> Columns:
        """Give the writes as arrays."""
        writes = self.writes
        return Columns(
            first=[write.first_page for write in writes],
            end=[write.first_page + write.pages for write in writes],
            invoked=np.array([write.invoked for write in writes], dtype=np.int64),
            completed=np.array([write.completed for write in writes], dtype=np.int64),
            completed_s=np.array([write.completed_s for write in writes], dtype=np.float64),
            zero=np.array([write.kind == "zero" for write in writes], dtype=np.bool_),
            forced=np.array([write.kind == "fua" for write in writes], dtype=np.bool_),
        )

    def settled(self, order: Order, columns: Columns | None = None) -> NDArray[np.int64]:
        """Tell from which position on each write orders those invoked later; NEVER if it does not.

        Under `strict` that is its own completion. Under `flush` it is the earliest completion of a
        flush that was invoked after the write had completed, or its own if it was a FUA write.
        """
        columns = columns or self.columns()
        completed = columns.completed
        if order == "strict" or not len(completed):
            return completed
        settled = _earliest_flush(completed, self.flushes)
        settled[columns.forced] = completed[columns.forced]
        return settled


def _earliest_flush(completed: NDArray[np.int64], flushes: list[Flush]) -> NDArray[np.int64]:
    invoked = np.array([flush.invoked for flush in flushes], dtype=np.int64)
    ended = np.array([flush.completed for flush in flushes] + [NEVER], dtype=np.int64)
    # flushes overlap: the one invoked next need not be the one that ends first
    earliest = np.minimum.accumulate(ended[::-1])[::-1]
    # what never completed comes after every flush, where nothing covers it
    covered: NDArray[np.int64] = earliest[np.searchsorted(invoked, completed)]
    return covered


def read_history(lines: Iterable[tuple[float, str]]) -> History:
    """Build the history from (seconds, line); other lines of the port are passed over.

    HistoryError if a line is malformed, numbers have gaps, something completes twice or without
    having begun, or two overlapping writes are in flight together (their order is undefined).
    """
    reader = _Reader()
    for position, (seconds, line) in enumerate(lines):
        words = line.split()
        handle = _HANDLERS.get(words[0]) if words else None
        if handle is None:
            continue
        try:
            handle(reader, position, seconds, words[1:])
        except (ValueError, IndexError) as error:
            raise HistoryError(f"line {position} ({line.strip()!r}): {error}") from error
    return reader.history


class _Reader:
    """Builds the history line by line; `open` holds the writes that may still land."""

    def __init__(self) -> None:
        self.history = History()
        self.open: dict[int, Write] = {}

    def invoke(self, position: int, seconds: float, words: list[str]) -> None:
        number, offset, length = (int(word) for word in words[:3])
        kind = _KINDS.get(words[3]) if len(words) == 4 else "data"
        if kind is None or len(words) not in (3, 4):
            raise ValueError("expected inv N OFFSET LENGTH [zero|fua]")
        if number != len(self.history.writes) + 1:
            raise ValueError(f"write {len(self.history.writes) + 1} should be next: lines are lost")
        if offset < 0 or length <= 0 or offset % PAGE_BYTES or length % PAGE_BYTES:
            raise ValueError("offset and length must be whole pages")
        first, pages = offset // PAGE_BYTES, length // PAGE_BYTES
        write = Write(number, first, pages, kind, position, seconds)
        for other in self.open.values():
            if other.first_page < write.end_page and write.first_page < other.end_page:
                raise ValueError(f"overlaps {other}, which may still land: their order is open")
        self.history.writes.append(write)
        self.open[number] = write

    def complete(self, position: int, seconds: float, words: list[str]) -> None:
        write = self._begun(int(words[0]))
        write.completed, write.completed_s = position, seconds
        del self.open[write.number]

    def fail(self, _position: int, _seconds: float, words: list[str]) -> None:
        self._begun(int(words[0])).failed = True

    def _begun(self, number: int) -> Write:
        write = self.open.get(number)
        if write is None or write.failed:
            raise ValueError(f"write {number} is not in flight")
        return write

    def flush(self, position: int, _seconds: float, words: list[str]) -> None:
        number = int(words[0])
        if number != len(self.history.flushes) + 1:
            raise ValueError(f"flush {len(self.history.flushes) + 1} should be next")
        self.history.flushes.append(Flush(number, position))

    def flushed(self, position: int, seconds: float, words: list[str]) -> None:
        number = int(words[0])
        if not 1 <= number <= len(self.history.flushes):
            raise ValueError(f"flush {number} was never invoked")
        flush = self.history.flushes[number - 1]
        if flush.completed != NEVER:
            raise ValueError(f"flush {number} completed twice")
        flush.completed, flush.completed_s = position, seconds


_HANDLERS: Final = {
    "inv": _Reader.invoke,
    "done": _Reader.complete,
    "fail": _Reader.fail,
    "flush": _Reader.flush,
    "flushed": _Reader.flushed,
}
