"""The write-intent bitmap on disk: a bit for each region of a volume that its blob may lack.

The file is made of sectors of 512 bytes, each with a checksum of its own and each written as a
whole, so that a power loss leaves either the old or the new one. Sector 0 is the header; each other
one holds the bits of 4064 regions. Beside the bits it keeps whether they may be trusted: a bitmap
that was just made knows nothing of what the blob lacks until the volume is protected once, or until
every bit is set.

Not noticed: after an unclean end, a change of the volume beside the tap that left its size alone.
"""

import errno
import mmap
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.core.settings import REGION_BYTES

SECTOR_BYTES: Final = 512
_BITS_BYTES: Final = SECTOR_BYTES - 4
_REGIONS_A_SECTOR: Final = _BITS_BYTES * 8
_MAGIC: Final = b"MPDIRTY\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sHHIQ32s")
"""magic, version, trusted, region size, volume size, binding."""
BINDING_BYTES: Final = 32


class DirtyBitmap:
    """An open bitmap. Not thread-safe: one thread at a time writes it (bitmap_keeper.py).

    `fresh` says why the file had to be made anew, "" if it was read. Changes are in memory until
    `commit`; what a failed commit left is written by the next.
    """

    def __init__(self, path: Path, binding: bytes, volume_bytes: int) -> None:
        """Read the bitmap of that volume, or make a new one. Raises OSError.

        binding: 32 bytes that name node's volume and blob; a bitmap of another is never believed.
        """
        self._path = path
        self._binding = binding
        self._volume_bytes = volume_bytes
        self._trusted = False
        self._bits = bytearray(_sectors(volume_bytes) * _BITS_BYTES)
        self._stale: set[int] = set()
        self._page = mmap.mmap(-1, SECTOR_BYTES)
        self.fresh = self._read()
        if self.fresh:
            self._make()
        self._fd, self._direct = _open_to_write(path)
        self.commit()

    @property
    def volume_bytes(self) -> int:
        """The size of the volume whose regions have bits."""
        return self._volume_bytes

    def dirty(self) -> tuple[int, ...] | None:
        """The regions whose bit is set, ascending; None if the bitmap may not be trusted."""
        if not self._trusted:
            return None
        found = []
        for index, byte in enumerate(self._bits):
            if byte:
                found += [index * 8 + bit for bit in range(8) if byte >> bit & 1]
        return tuple(found)

    def set(self, regions: Iterable[int]) -> None:
        """Set these regions' bits; a region past the volume's end has none."""
        for region in regions:
            index, bit = divmod(region, 8)
            if index < len(self._bits) and not self._bits[index] >> bit & 1:
                self._bits[index] |= 1 << bit
                self._stale.add(1 + index // _BITS_BYTES)
        if not self._trusted and self._are_all_set():
            # The whole volume is what the blob may lack: true, whatever was known before.
            self.trust()

    def clear(self, regions: Iterable[int]) -> None:
        """Clear these regions' bits."""
        for region in regions:
            index, bit = divmod(region, 8)
            if index < len(self._bits) and self._bits[index] >> bit & 1:
                self._bits[index] &= ~(1 << bit)
                self._stale.add(1 + index // _BITS_BYTES)

    def trust(self) -> None:
        """From now on everything that the blob may lack has its bit set."""
        if not self._trusted:
            self._trusted = True
            self._stale.add(0)

    def distrust(self) -> None:
        """The blob may lack anything: what the bits said is void until `trust`."""
        self.clear(range(len(self._bits) * 8))
        if self._trusted:
            self._trusted = False
            self._stale.add(0)

    def resize(self, volume_bytes: int) -> None:
        """The volume has another size now; bits past its end go, grown space is clean."""
        if volume_bytes == self._volume_bytes:
            return
        before = len(self._bits) // _BITS_BYTES
        after = _sectors(volume_bytes)
        self._bits = self._bits[: after * _BITS_BYTES]
        self._bits.extend(bytes(after * _BITS_BYTES - len(self._bits)))
        self._volume_bytes = volume_bytes
        self.clear(range(_regions(volume_bytes), after * _REGIONS_A_SECTOR))
        self._stale = {sector for sector in self._stale if sector <= after}
        self._stale.update((0, *range(before + 1, after + 1)))

    def commit(self) -> None:
        """Write what changed and make it durable. Raises OSError."""
        if not self._stale:
            return
        # The header last: it alone says how far the bits reach, and whether they are true.
        for sector in sorted(self._stale, reverse=True):
            self._page[:] = self._sector(sector)
            self._write(sector * SECTOR_BYTES)
        if not self._direct:
            os.fdatasync(self._fd)
        self._stale.clear()

    def close(self) -> None:
        """Close the file; what was not committed is lost."""
        os.close(self._fd)
        self._page.close()

    def _are_all_set(self) -> bool:
        count = sum(byte.bit_count() for byte in self._bits)
        return count == _regions(self._volume_bytes)

    def _write(self, offset: int) -> None:
        try:
            written = os.pwrite(self._fd, self._page, offset)
        except OSError as error:
            if not (self._direct and error.errno == errno.EINVAL):
                raise
            # The disk beneath takes larger blocks only.
            os.close(self._fd)
            self._fd, self._direct = os.open(self._path, os.O_RDWR | os.O_CLOEXEC), False
            written = os.pwrite(self._fd, self._page, offset)
        if written != SECTOR_BYTES:
            raise OSError(errno.EIO, "the bitmap's sector was written in part only")

    def _sector(self, number: int) -> bytes:
        if number:
            body = bytes(self._bits[(number - 1) * _BITS_BYTES : number * _BITS_BYTES])
        else:
            header = (_MAGIC, _VERSION, self._trusted, REGION_BYTES, self._volume_bytes)
            body = _HEADER.pack(*header, self._binding).ljust(_BITS_BYTES, b"\0")
        return body + zlib.crc32(body).to_bytes(4, "little")

    def _read(self) -> str:
        """Read the file; returns why it cannot be used, "" if it can."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return "there is none"
        bodies = [_checked(raw, at) for at in range(0, len(raw), SECTOR_BYTES)]
        if not bodies or None in bodies:
            return "it is damaged"
        header, *bits = (body for body in bodies if body is not None)
        magic, version, trusted, region_bytes, volume_bytes, binding = _HEADER.unpack_from(header)
        if (magic, version, region_bytes) != (_MAGIC, _VERSION, REGION_BYTES):
            return "it is of another version"
        if binding != self._binding:
            return "it is of another volume or blob"
        if len(bits) < _sectors(volume_bytes):
            return "it is damaged"
        self._trusted = trusted == 1
        self._adopt(b"".join(bits), volume_bytes)
        return ""

    def _adopt(self, bits: bytes, volume_bytes: int) -> None:
        """Take what was read; what the volume gained while no engine ran may hold anything."""
        actual = self._volume_bytes
        self._bits = bytearray(bits[: _sectors(volume_bytes) * _BITS_BYTES])
        self._volume_bytes = volume_bytes
        self.resize(actual)
        if not self._trusted:
            self.distrust()
        elif actual > volume_bytes:
            self.set(range(volume_bytes // REGION_BYTES, _regions(actual)))

    def _make(self) -> None:
        sectors = _sectors(self._volume_bytes)
        fresh = self._path.with_name(self._path.name + ".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            for sector in range(sectors + 1):
                file.write(self._sector(sector))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _regions(volume_bytes: int) -> int:
    return -(-volume_bytes // REGION_BYTES)


def _sectors(volume_bytes: int) -> int:
    return -(-_regions(volume_bytes) // _REGIONS_A_SECTOR)


def _checked(raw: bytes, at: int) -> bytes | None:
    sector = raw[at : at + SECTOR_BYTES]
    body, told = sector[:_BITS_BYTES], sector[_BITS_BYTES:]
    whole = len(sector) == SECTOR_BYTES and zlib.crc32(body) == int.from_bytes(told, "little")
    return body if whole else None


def _open_to_write(path: Path) -> tuple[int, bool]:
    """Past the page cache where the file system can: 512 bytes cost 512 there, not 4096."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_DIRECT | os.O_DSYNC), True
    except OSError:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC), False
