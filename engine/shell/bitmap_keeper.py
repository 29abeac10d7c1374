"""Writes a volume's bitmap beside the loop, in the order it is told, many marks at one go.

A mark is answered when it is durable; marks that come while others are being written wait and share
the next write, so a burst of writes to many clean regions costs two writes of a sector, not many.

A region that is clean keeps its bit for another while, since most regions are soon written again:
that mark then costs neither a write nor a wait. After a crash a little more is sent than the blob
lacks.
"""

import errno
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from engine.core.messages import BitsDurable, BitsFailed, Event, MarkClean, MarkDirty
from engine.core.settings import REGION_BYTES
from engine.shell.dirty_bitmap import DirtyBitmap

REST_SECONDS: Final = 20.0
"""How much longer a clean region's bit stays; about a file system's journal's round, and more."""

Change = Callable[[], None]


class BitmapKeeper:
    """One thread alone touches the bitmap; `answer`, or `bug`, is called in it.

    What is answered without it is answered by `answer_now`, before `mark_dirty` returns. All calls
    come from one thread. Call `tick` every now and then, and for the last time REST_SECONDS after
    the last mark.
    """

    def __init__(
        self,
        bitmap: DirtyBitmap,
        name: str,
        *,
        answer: Callable[[Event], None],
        answer_now: Callable[[Event], None],
        bug: Callable[[Exception], None],
    ) -> None:
        self._bitmap = bitmap
        self._answer = answer
        self._answer_now = answer_now
        self._bug = bug
        self._changes: deque[tuple[int | None, Change]] = deque()
        # The caller's thread alone has these three; they run ahead of the bitmap, in its order.
        self._volume_bytes = bitmap.volume_bytes
        self._marked = set(bitmap.dirty() or ())
        """Regions whose bit is set."""
        self._clean: dict[int, float] = {}
        """Those of them that are clean, and until when their bit stays."""
        self._asked = 0  # changes: counted by the caller's thread alone
        self._taken = 0  # of them: counted by the bitmap's thread alone
        self._written = 0  # of them: all up to here are on the disk
        self._closed = False
        self._pool = ThreadPoolExecutor(1, f"bitmap-{name}")

    def mark_dirty(self, command: MarkDirty) -> None:
        """Set bits; answered by BitsDurable or BitsFailed."""
        at_rest = [region for region in command.regions if region in self._clean]
        for region in at_rest:
            del self._clean[region]
        if len(at_rest) == len(command.regions) and self._is_durable():
            self._answer_now(BitsDurable(command.id))
        else:
            self._marked.update(r for r in command.regions if self._has_bit(r))
            self._add(command.id, lambda: self._bitmap.set(command.regions))

    def mark_clean(self, command: MarkClean) -> None:
        """Clear bits, later; a failure leaves them set for the next write."""
        due = time.monotonic() + REST_SECONDS
        for region in command.regions:
            if region in self._marked:  # else a smaller size has taken the bit away meanwhile
                self._clean[region] = due

    def trust(self) -> None:
        """From now on the bits say all that the blob may lack; returns when the disk has it.

        Whoever hears of the protection may count on a resync after a crash, at once.
        """
        self._add(None, self._bitmap.trust)
        if not self._closed:
            self._pool.submit(_nothing).result()

    def resize(self, volume_bytes: int) -> None:
        """The volume has another size."""
        self._volume_bytes = volume_bytes
        for region in [r for r in self._marked if not self._has_bit(r)]:
            self._marked.remove(region)
            self._clean.pop(region, None)
        self._add(None, lambda: self._bitmap.resize(volume_bytes))

    def tick(self) -> None:
        """Clear the bits that have stayed long enough."""
        self._clear_rested(time.monotonic())

    def close(self) -> None:
        """Write what is known to be clean, close the file."""
        self._clear_rested(float("inf"))
        self._closed = True
        self._pool.shutdown(wait=True)
        self._bitmap.close()

    def _has_bit(self, region: int) -> bool:
        return region * REGION_BYTES < self._volume_bytes

    def _is_durable(self) -> bool:
        """Whether the disk has every change that was asked for."""
        return self._written == self._asked

    def _clear_rested(self, now: float) -> None:
        rested = [region for region, due in self._clean.items() if due <= now]
        for region in rested:
            del self._clean[region]
            self._marked.remove(region)
        if rested:
            self._add(None, lambda: self._bitmap.clear(rested))

    def _add(self, command_id: int | None, change: Change) -> None:
        if not self._closed:
            self._asked += 1
            self._changes.append((command_id, change))
            self._pool.submit(self._write)

    def _write(self) -> None:
        try:
            self._take_all()
        except Exception as bug:  # noqa: BLE001 a pool drops it, and a mark would never be answered
            self._bug(bug)

    def _take_all(self) -> None:
        ids: list[int] = []
        count = len(self._changes)
        for _ in range(count):
            command_id, change = self._changes.popleft()
            change()
            if command_id is not None:
                ids.append(command_id)
        self._taken += count
        error = 0
        try:
            self._bitmap.commit()
        except OSError as failure:
            error = failure.errno or errno.EIO
        else:
            self._written = self._taken
        for command_id in ids:
            self._answer(BitsFailed(command_id, error) if error else BitsDurable(command_id))


def _nothing() -> None:
    """Done when everything before it is."""
