"""Memory that requests are received into, and that their payloads stay in until the blob has them.

A payload is a view of the chunk that the socket was read into: no byte of it is copied on the way
to the volume and to the blob. New memory costs a page fault each 4 KiB, which is more than half of
what a large write costs in all: so chunks are used again, and new ones ask for huge pages.

A chunk is used again only when no payload in it is kept any more. The interpreter tells: memory
that somebody has a view of cannot be resized, not even to the size that it has.
"""

import mmap
from collections import deque
from contextlib import suppress
from typing import Final

from engine.units import MIB

CHUNK_BYTES: Final = 4 * MIB
CHUNKS_KEPT: Final = 8
"""What a tap keeps for good; the more that a burst needed are given back when it is over."""
LOOKED_AT_MAX: Final = 16
"""The blob gets payloads roughly in their order, so the chunk to use again is one of the oldest."""


class TapMemory:
    """The chunks of one tap. Call `trim` every now and then, with a pause that outlasts a burst."""

    def __init__(self) -> None:
        self._chunks: deque[mmap.mmap] = deque()  # as they were taken, or found to be in use
        self._taken = 0

    @property
    def held_bytes(self) -> int:
        """What all chunks take, whether payloads are in them or not."""
        return len(self._chunks) * CHUNK_BYTES

    def take(self, wanted: int) -> mmap.mmap:
        """A chunk of at least `wanted` bytes that nobody else uses; its content is undefined."""
        if wanted > CHUNK_BYTES:
            return _make(-(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE)  # freed with its last payload
        chunk = self._oldest_free() or _make(CHUNK_BYTES)
        self._chunks.append(chunk)
        self._taken += 1
        return chunk

    def trim(self) -> None:
        """Give back what was not taken since the last call, but for CHUNKS_KEPT."""
        idle = len(self._chunks) - max(self._taken, CHUNKS_KEPT)
        self._taken = 0
        for _ in range(idle):
            self._chunks.popleft()  # freed at once, or with its last payload

    def _oldest_free(self) -> mmap.mmap | None:
        for _ in range(min(len(self._chunks), LOOKED_AT_MAX)):
            chunk = self._chunks.popleft()
            if _is_free(chunk):
                return chunk
            self._chunks.append(chunk)
        return None


def _make(length: int) -> mmap.mmap:
    chunk = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages
        chunk.madvise(mmap.MADV_HUGEPAGE)
    return chunk


def _is_free(chunk: mmap.mmap) -> bool:
    try:
        chunk.resize(len(chunk))
    except BufferError:
        return False
    return True
