"""What is inside the disk: one pass over its data gives a digest and finds stale footers.

Only data is read, never holes, so the pass costs by the data and not by the size. The digest is the
one that the prover guest computes (harness/guest/agent/digest.c): it does not depend on how a file
system or a service lists its extents, so that a file and its blob have the same.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from harness.disk.findings import Finding, bad
from harness.disk.footer import FOOTER_BYTES, Footer, is_stale_footer
from harness.disk.source import READ_BYTES_MAX, Disk, Extent, clip, merge

MIB: Final = 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024
GAP_BYTES_MAX: Final = 512 * 1024
"""A hole up to this long is read with its neighbours: a request costs more than these zeros."""

_ZEROS: Final = bytes(CHUNK_BYTES)
_CHUNK_HEADER: Final = struct.Struct("<QQ")

ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """The data of one disk as one reader saw it.

    `digest` is the sha256 over every 64 KiB-aligned chunk that has a non-zero byte, in order: its
    offset and length (two little-endian 64-bit numbers) and its bytes. `data_bytes` is the sum of
    these chunks' lengths.
    """

    digest: str
    data_bytes: int
    stale_footers: tuple[int, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Return what the content has against the disk."""
        return tuple(
            bad(
                "stale-footer",
                f"An old footer of this very disk stands inside it at byte {offset}: after a grow "
                "it was not cleared, so the guest reads 512 bytes that it never wrote.",
            )
            for offset in self.stale_footers
        )


def data_extents(disk: Disk, size_bytes: int) -> list[Extent]:
    """Return where the disk proper may hold data, in whole chunks; small holes are included."""
    chunks = [_in_chunks(extent) for extent in disk.extents()]
    return clip(merge(chunks, GAP_BYTES_MAX), size_bytes)


def _in_chunks(extent: Extent) -> Extent:
    start = extent.offset // CHUNK_BYTES * CHUNK_BYTES
    return Extent(start, -(-extent.end // CHUNK_BYTES) * CHUNK_BYTES - start)


def read_content(read: ReadAt, extents: list[Extent], footer: Footer | None) -> Content:
    """Read all `extents` (of `data_extents`); look for stale footers if the footer is given."""
    digest = hashlib.sha256()
    stale: list[int] = []
    total = 0
    for extent in extents:
        for offset, data in pieces(read, extent):
            for at, chunk in _chunks_with_data(data):
                digest.update(_CHUNK_HEADER.pack(offset + at, len(chunk)))
                digest.update(chunk)
                total += len(chunk)
            if footer is not None:
                stale.extend(_stale_in(offset, data, footer.unique_id))
    return Content(digest.hexdigest(), total, tuple(stale))


def _chunks_with_data(data: bytes) -> Iterator[tuple[int, memoryview]]:
    view = memoryview(data)
    for at in range(0, len(data), CHUNK_BYTES):
        chunk = view[at : at + CHUNK_BYTES]
        if chunk != _ZEROS[: len(chunk)]:
            yield at, chunk


def pieces(read: ReadAt, extent: Extent) -> Iterator[tuple[int, bytes]]:
    """Read an extent in pieces that end at multiples of the largest read."""
    at = extent.offset
    while at < extent.end:
        length = min(extent.end, (at // READ_BYTES_MAX + 1) * READ_BYTES_MAX) - at
        yield at, read(at, length)
        at += length


def _stale_in(offset: int, data: bytes, unique_id: UUID) -> Iterator[int]:
    first = -offset % MIB
    for at in range(first, len(data) - FOOTER_BYTES + 1, MIB):
        if is_stale_footer(data[at : at + FOOTER_BYTES], offset + at, unique_id):
            yield offset + at
