"""A disk as a seekable binary file, for readers that take a file object."""

import io
from typing import Final

from harness.disk.source import READ_BYTES_MAX, Disk

_BLOCK_BYTES: Final = 1024 * 1024


class RangedFile(io.RawIOBase):
    """Reads a `Disk` through one cached, aligned block of 1 MiB, so that small reads cost little.

    `trouble` keeps the first exception of the disk: C readers lose an exception's type, and the
    prover must still tell a service in trouble from a bad disk.
    """

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        self._at = 0
        self._block_at = -1
        self._block = b""
        self.trouble: Exception | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def get_size(self) -> int:
        """Return the length: the name that libyal's file objects ask for."""
        return self._disk.length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._disk.length}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}, before the start of the disk")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes (all that is left if negative)."""
        left = max(0, self._disk.length - self._at)
        wanted = left if size < 0 else min(size, left)
        parts = []
        while wanted:
            part = self._piece(wanted)
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _piece(self, wanted: int) -> bytes:
        try:
            if wanted >= _BLOCK_BYTES:
                return self._disk.read(self._at, min(wanted, READ_BYTES_MAX))
            block_at = self._at // _BLOCK_BYTES * _BLOCK_BYTES
            if block_at != self._block_at:
                length = min(_BLOCK_BYTES, self._disk.length - block_at)
                self._block = self._disk.read(block_at, length)
                self._block_at = block_at
        except Exception as error:
            self.trouble = self.trouble or error
            raise
        start = self._at - block_at
        return self._block[start : start + wanted]
