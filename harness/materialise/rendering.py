"""A disk of the simulator as real bytes: its pages self-describing, its footer as it was stored.

In the simulator a page's value is the number of the write that put it there; here it becomes
that write's self-describing page (harness.oracle.pages). Values that are bytes, as of a footer,
are taken as they are. Page 0 is an exception, so that a BIOS can start the disk itself: where a
write put something there, it becomes a boot sector that tells the same:

jump (2 bytes), `MPBOOT` (6), volume u32, zero u32, write u64, page u64 (0), code up to byte 506,
CRC-32 of the 506 bytes before it, boot signature 55 AA; little endian.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from harness.materialise.boot_code import BootCode
from harness.oracle.pages import PAGE_BYTES, encode_each, encode_pages

__all__ = ["VOLUME", "DiskImage", "Rotten", "boot_page"]

VOLUME: Final = 0x4D50_5349
"""Volume id of every rendered page."""

_HEADER: Final = struct.Struct("<6sIIQQ")
_JUMP_BYTES: Final = 2
_CRC_AT: Final = 506
_ROTTEN_BYTE: Final = 300


def boot_page(code: BootCode, write: int) -> bytes:
    """Page 0 as write `write` leaves it."""
    header = _HEADER.pack(b"MPBOOT", VOLUME, 0, write, 0)
    page = bytearray(code.on_disk)
    page[_JUMP_BYTES : _JUMP_BYTES + _HEADER.size] = header
    page[_CRC_AT : _CRC_AT + 4] = struct.pack("<I", zlib.crc32(page[:_CRC_AT]))
    return bytes(page)


@dataclass(frozen=True, slots=True)
class Rotten:
    """A page that changed at rest: what it should hold, with one bit turned over."""

    true: object


@dataclass(frozen=True, slots=True)
class DiskImage:
    """A disk with its footer, as a reader would see it.

    pages: what is not zeros, by index: a write's number, bytes as they are, or Rotten. `length`:
    bytes of file or blob, the footer included.
    """

    length: int
    pages: Mapping[int, object]

    @property
    def size_bytes(self) -> int:
        """Bytes of the disk, if its footer says the truth."""
        return self.length - PAGE_BYTES

    def digest(self) -> str:
        """The same for equal images, in any process."""
        told = hashlib.blake2b(struct.pack("<Q", self.length), digest_size=16)
        for page in sorted(self.pages):
            told.update(f"{page}={self.pages[page]!r};".encode())
        return told.hexdigest()

    def healed(self) -> "DiskImage":
        """The same without rot."""
        true = {p: v.true if isinstance(v, Rotten) else v for p, v in self.pages.items()}
        return DiskImage(self.length, true)

    def page_bytes(self, code: BootCode, page: int) -> bytes:
        """One page's bytes."""
        return _page_bytes(code, page, self.pages.get(page))

    def write_vhd(self, code: BootCode, path: Path) -> None:
        """All of it into a sparse file."""
        self._write(code, path, self.length)

    def write_raw(self, code: BootCode, path: Path) -> None:
        """The disk without its footer."""
        self._write(code, path, self.size_bytes)

    def _write(self, code: BootCode, path: Path, length: int) -> None:
        end = length // PAGE_BYTES
        written = sorted(
            p for p, v in self.pages.items() if isinstance(v, int) and v and 0 < p < end
        )
        numbers = np.array([self.pages[page] for page in written], dtype=np.uint64)
        encoded = encode_each(VOLUME, numbers, np.array(written, dtype=np.uint64))
        with path.open("wb") as file:
            for at, page in enumerate(written):
                file.seek(page * PAGE_BYTES)
                file.write(encoded[at * PAGE_BYTES : (at + 1) * PAGE_BYTES])
            for page, value in self.pages.items():
                if page < end and (page == 0 or not isinstance(value, int)):
                    file.seek(page * PAGE_BYTES)
                    file.write(self.page_bytes(code, page))
            file.truncate(length)


def _page_bytes(code: BootCode, page: int, value: object) -> bytes:
    match value:
        case None | 0:
            return bytes(PAGE_BYTES)
        case bytes():
            return value
        case Rotten():
            data = bytearray(_page_bytes(code, page, value.true))
            data[_ROTTEN_BYTE] ^= 1
            return bytes(data)
        case int():
            return encode_pages(VOLUME, value, page, 1) if page else boot_page(code, value)
        case _:
            raise AssertionError(f"no value of a page: {value!r}")
