"""Writes a volume's bitmap beside the loop, in the order it is told, many marks at one go.

A mark is answered when it is durable; marks that come while others are being written wait and share
the next write, so a burst of writes to many clean regions costs two writes of a sector, not many.
"""

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from engine.core.messages import BitsDurable, BitsFailed, Event, MarkClean, MarkDirty
from engine.shell.dirty_bitmap import DirtyBitmap

Change = Callable[[DirtyBitmap], None]


class BitmapKeeper:
    """One thread that alone touches the bitmap; `answer`, or `bug`, is called in it."""

    def __init__(
        self,
        bitmap: DirtyBitmap,
        name: str,
        *,
        answer: Callable[[Event], None],
        bug: Callable[[Exception], None],
    ) -> None:
        self._bitmap = bitmap
        self._answer = answer
        self._bug = bug
        self._changes: deque[tuple[int | None, Change]] = deque()
        self._pool = ThreadPoolExecutor(1, f"bitmap-{name}")

    def mark_dirty(self, command: MarkDirty) -> None:
        """Set bits; answered by BitsDurable or BitsFailed."""
        self._add(command.id, lambda bitmap: bitmap.set(command.regions))

    def mark_clean(self, command: MarkClean) -> None:
        """Clear bits; a failure leaves them set for the next write."""
        self._add(None, lambda bitmap: bitmap.clear(command.regions))

    def trust(self) -> None:
        """From now on the bits say all that the blob may lack."""
        self._add(None, lambda bitmap: bitmap.trust())

    def resize(self, volume_bytes: int) -> None:
        """The volume has another size."""
        self._add(None, lambda bitmap: bitmap.resize(volume_bytes))

    def close(self) -> None:
        """Write what is known to be clean, close the file."""
        self._pool.submit(self._write)
        self._pool.shutdown(wait=True)
        self._bitmap.close()

    def _add(self, command_id: int | None, change: Change) -> None:
        self._changes.append((command_id, change))
        self._pool.submit(self._write)

    def _write(self) -> None:
        try:
            self._take_all()
        except Exception as bug:  # noqa: BLE001 a pool drops it, and a mark would never be answered
            self._bug(bug)

    def _take_all(self) -> None:
        ids: list[int] = []
        for _ in range(len(self._changes)):
            command_id, change = self._changes.popleft()
            change(self._bitmap)
            if command_id is not None:
                ids.append(command_id)
        error = 0
        try:
            self._bitmap.commit()
        except OSError as failure:
            error = failure.errno or errno.EIO
        for command_id in ids:
            self._answer(BitsFailed(command_id, error) if error else BitsDurable(command_id))
