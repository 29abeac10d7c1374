"""The simplest honest volume: a file, every request done at once."""

import os
from collections.abc import Callable
from pathlib import Path

from engine.shell.tap_handler import Payload

Done = Callable[[int], None]


class FileHandler:
    """Serves a file; keeps count of what it was asked for."""

    def __init__(self, path: Path, name: str = "db") -> None:
        self.name = name
        self.size_bytes = path.stat().st_size
        self.calls: list[tuple[str, int, int, bool]] = []
        self.recording = True
        self._fd = os.open(path, os.O_RDWR)

    def close(self) -> None:
        os.close(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        self._note("read", offset, length, fua=False)
        return os.pread(self._fd, length, offset)

    def write(self, offset: int, data: Payload, fua: bool, done: Done) -> None:
        self._note("write", offset, len(data), fua=fua)
        try:
            written = os.pwrite(self._fd, data, offset)
            assert written == len(data)
            if fua:
                os.fdatasync(self._fd)
        except OSError as error:
            done(error.errno or 5)
        else:
            done(0)

    def zero(self, offset: int, length: int, fua: bool, done: Done) -> None:
        self._note("zero", offset, length, fua=fua)
        piece = 1 << 20
        for start in range(offset, offset + length, piece):
            os.pwrite(self._fd, bytes(min(piece, offset + length - start)), start)
        if fua:
            os.fdatasync(self._fd)
        done(0)

    def flush(self, done: Done) -> None:
        self._note("flush", 0, 0, fua=False)
        os.fdatasync(self._fd)
        done(0)

    def settle(self) -> None:
        """Everything was done at once."""

    def _note(self, kind: str, offset: int, length: int, *, fua: bool) -> None:
        if self.recording:
            self.calls.append((kind, offset, length, fua))
