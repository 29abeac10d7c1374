"""The local volume: a file or block device, opened for one engine alone.

Reads and writes are of whole 512-byte sectors and positional. Trimmed and zeroed ranges read zero,
and their space is given back where the file system can (protocol.md H38).
"""

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import VolumeError
from engine.units import PAGE_BYTES, PUT_BYTES_MAX

_PUNCH_HOLE: Final = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE (linux/falloc.h)."""

_PIECE_BYTES: Final = 256 * 1024
"""A device tells no holes: pieces of this size that are all zero count as unwritten."""

_ZEROS: Final = bytes(_PIECE_BYTES)
_DEVICES: Final = Path("/sys/dev/block")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_RUNS_MAX: Final = 64

Run = tuple[int, int, bytes]
"""Offset, length, data."""


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """What is written in [asked offset, next_offset); everything else there reads zero."""

    runs: tuple[Run, ...]
    next_offset: int


class Volume:
    """An open volume. `size_bytes` is what it had at opening, or was given by `resize`."""

    def __init__(self, path: Path, name: str) -> None:
        """Open and lock `path`. Raises VolumeError: missing, no volume, busy, odd size."""
        self.path = path
        self.name = name
        self._fd = _open(path, name)
        try:
            self.size_bytes = os.lseek(self._fd, 0, os.SEEK_END)
            status = os.fstat(self._fd)
            self._has_holes = stat.S_ISREG(status.st_mode)
            self._check_size()
            self._lock()
        except BaseException:
            os.close(self._fd)
            raise
        self._fallocate = _find_fallocate()

    def file_number(self) -> int:
        """What a file keeps and its replacement does not have: its inode; 0 of a device."""
        return os.fstat(self._fd).st_ino if self._has_holes else 0

    def may_have(self, size_bytes: int) -> bool:
        """Whether `resize` to this size can work: a device has the size its maker gave it."""
        return self._has_holes or os.lseek(self._fd, 0, os.SEEK_END) == size_bytes

    def resize(self, size_bytes: int) -> None:
        """Give the volume this size; a file's grown space reads zero. Raises OSError."""
        if not self.may_have(size_bytes):
            raise OSError(errno.EINVAL, "the device has another size")
        if self._has_holes:
            os.ftruncate(self._fd, size_bytes)
        self.size_bytes = size_bytes

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises OSError."""
        data = os.pread(self._fd, length, offset)
        while len(data) < length:
            more = os.pread(self._fd, length - len(data), offset + len(data))
            if not more:
                raise OSError(errno.EIO, "the volume ends early: another program truncated it")
            data += more
        return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data`. Raises OSError."""
        written = os.pwrite(self._fd, data, offset)
        while written < len(data):
            written += os.pwrite(self._fd, memoryview(data)[written:], offset + written)

    def zero(self, offset: int, length: int) -> None:
        """Make the range read zero. Raises OSError."""
        if self._fallocate(self._fd, _PUNCH_HOLE, offset, length) == 0:
            return
        end = offset + length
        while offset < end:
            piece = min(_PIECE_BYTES, end - offset)
            self.write(offset, _ZEROS[:piece])
            offset += piece

    def flush(self) -> None:
        """Make every completed write durable. Raises OSError."""
        os.fdatasync(self._fd)

    def read_written(self, offset: int, limit: int) -> WrittenPart:
        """The next data from `offset` on, at most 4 MiB of it, up to `limit`. Raises OSError."""
        runs: list[Run] = []
        left = PUT_BYTES_MAX
        position = offset
        while position < limit and left > 0 and len(runs) < _RUNS_MAX:
            start = self._next_data(position)
            if start >= limit:
                return WrittenPart(tuple(runs), limit)
            end = min(self._next_hole(start), limit, start + left)
            runs.extend(_nonzero_runs(start, self.read(start, end - start)))
            left -= end - start
            position = end
        return WrittenPart(tuple(runs), position)

    def fingerprint(self) -> str:
        """What changes when somebody else writes the volume while no engine runs; "": unknown.

        Of a file its size and time. A device's node tells no time on every kernel, but the kernel
        counts, from its boot on, what reaches the device: so a reboot changes it too.
        """
        try:
            if self._has_holes:
                return f"{self.size_bytes}:{os.fstat(self._fd).st_mtime_ns}"
            os.fdatasync(self._fd)
            return f"{self.size_bytes}:{_device_writes(os.fstat(self._fd).st_rdev)}"
        except (OSError, IndexError):
            return ""

    def close(self) -> None:
        """Give the volume back."""
        os.close(self._fd)

    def _next_data(self, position: int) -> int:
        if not self._has_holes:
            return position
        try:
            return os.lseek(self._fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return self.size_bytes
            raise

    def _next_hole(self, position: int) -> int:
        return os.lseek(self._fd, position, os.SEEK_HOLE) if self._has_holes else self.size_bytes

    def _check_size(self) -> None:
        if self.size_bytes <= 0 or self.size_bytes % PAGE_BYTES:
            raise VolumeError(
                f"volume {self.name!r} ({self.path}) has {self.size_bytes} bytes: it must be a"
                f" positive multiple of {PAGE_BYTES}; resize it"
            )

    def _lock(self) -> None:
        """Two engines on one volume would overwrite each other's order (protocol.md H16)."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise VolumeError(
                f"volume {self.name!r} ({self.path}) is in use by another engine process: stop it"
                " first"
            ) from busy


def _open(path: Path, name: str) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise VolumeError(
            f"volume {name!r}: {path} cannot be opened: {error.strerror}; make the volume, or"
            " correct `path` in the policy"
        ) from error
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(fd)
        raise VolumeError(f"volume {name!r}: {path} is neither a file nor a block device")
    return fd


def _device_writes(device: int) -> str:
    """Sectors written to and discarded from a device, since which boot.

    Documentation/block/stat.rst of the kernel: the 7th and the 14th field.
    """
    counters = (_DEVICES / f"{os.major(device)}:{os.minor(device)}" / "stat").read_text().split()
    return f"{_BOOT.read_text().strip()}:{counters[6]}:{counters[13]}"


def _find_fallocate() -> Callable[[int, int, int, int], int]:
    libc = ctypes.CDLL(None, use_errno=True)
    function = libc.fallocate64 if hasattr(libc, "fallocate64") else libc.fallocate
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    function.restype = ctypes.c_int

    def fallocate(fd: int, mode: int, offset: int, length: int) -> int:
        return int(function(fd, mode, offset, length))

    return fallocate


def _nonzero_runs(offset: int, data: bytes) -> list[Run]:
    """The parts of `data` that are not zero, joined where they touch."""
    if len(data) <= _PIECE_BYTES:
        return [] if data == _ZEROS[: len(data)] else [(offset, len(data), data)]
    spans: list[list[int]] = []
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        if piece == _ZEROS[: len(piece)]:
            continue
        if spans and spans[-1][1] == start:
            spans[-1][1] = start + len(piece)
        else:
            spans.append([start, start + len(piece)])
    if spans == [[0, len(data)]]:
        return [(offset, len(data), data)]
    return [(offset + start, end - start, data[start:end]) for start, end in spans]
