"""The fixed-VHD footer as this project's judge reads it: 512 bytes in, fields out, no opinion.

Written from the format description alone (facts.md 1.1 and 1.2) and sharing nothing with the
engine, so that one misreading of the format cannot both write and approve a disk. Opinions are
the validator's business.
"""

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

FOOTER_BYTES: Final = 512
SECTOR_BYTES: Final = 512
COOKIE: Final = b"conectix"
VERSION_1: Final = 0x00010000
NO_DATA_OFFSET: Final = 0xFFFF_FFFF_FFFF_FFFF
"""A fixed disk has no second header: all 64 bits are ones (facts.md 1.1)."""

TYPE_FIXED: Final = 2
TYPE_DYNAMIC: Final = 3
TYPE_DIFFERENCING: Final = 4

Geometry = tuple[int, int, int]
"""Cylinders, heads, sectors per track."""

GEOMETRY_MAX: Final[Geometry] = (65535, 16, 255)

_LAYOUT: Final = struct.Struct(">8sIIQI4sHH4sQQHBBII16sB427s")
assert _LAYOUT.size == FOOTER_BYTES

_CHECKSUM_AT: Final = 64
_SIZE_FIELD_72: Final = (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS")
"""Creator applications with which QEMU up to 9.2 believes `current_size` (facts.md 1.2)."""

_GEOMETRY_FIELD_10: Final = (b"vpc ", b"qemu")
"""Creator applications with which QEMU from 10.0 on still believes the geometry (facts.md 1.2)."""


@dataclass(frozen=True, slots=True)
class Footer:
    """The fields of one footer, sizes in bytes, the timestamp in seconds since 2000-01-01 UTC."""

    cookie: bytes
    features: int
    version: int
    data_offset: int
    timestamp_s: int
    creator_application: bytes
    creator_version: tuple[int, int]
    creator_host: bytes
    original_size: int
    current_size: int
    geometry: Geometry
    disk_type: int
    checksum: int
    unique_id: UUID
    saved_state: int
    reserved: bytes
    checksum_computed: int
    """What the checksum of these 512 bytes should be."""

    @property
    def checksum_is_right(self) -> bool:
        """The stored checksum is that of the bytes."""
        return self.checksum == self.checksum_computed


def parse_footer(raw: bytes) -> Footer | None:
    """Read `raw` (512 bytes) as a footer; None if it does not begin with the cookie."""
    if len(raw) != FOOTER_BYTES or not raw.startswith(COOKIE):
        return None
    fields = _LAYOUT.unpack(raw)
    return Footer(
        cookie=fields[0],
        features=fields[1],
        version=fields[2],
        data_offset=fields[3],
        timestamp_s=fields[4],
        creator_application=fields[5],
        creator_version=(fields[6], fields[7]),
        creator_host=fields[8],
        original_size=fields[9],
        current_size=fields[10],
        geometry=(fields[11], fields[12], fields[13]),
        disk_type=fields[14],
        checksum=fields[15],
        unique_id=UUID(bytes=fields[16]),
        saved_state=fields[17],
        reserved=fields[18],
        checksum_computed=footer_checksum(raw),
    )


def footer_checksum(raw: bytes) -> int:
    """One's complement of the sum of the 512 bytes, the checksum field counted as zero."""
    stored = sum(raw[_CHECKSUM_AT : _CHECKSUM_AT + 4])
    return ~(sum(raw) - stored) & 0xFFFF_FFFF


def geometry_of(size_bytes: int) -> Geometry:
    """Geometry that the format's appendix gives a disk of this size (facts.md 1.1)."""
    sectors = min(size_bytes // SECTOR_BYTES, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    per_track = 17
    tracks = sectors // per_track
    heads = max(4, (tracks + 1023) // 1024)
    if tracks >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
        tracks = sectors // per_track
    if tracks >= heads * 1024:
        per_track, heads = 63, 16
        tracks = sectors // per_track
    return tracks // heads, heads, per_track


def size_in_qemu_7(footer: Footer) -> int:
    """Bytes that QEMU from 2.6 to 9.2 shows of a disk with this footer (facts.md 1.2)."""
    return _qemu_size(footer, by_size_field=footer.creator_application in _SIZE_FIELD_72)


def size_in_qemu_10(footer: Footer) -> int:
    """Bytes that QEMU from 10.0 on shows of a disk with this footer (facts.md 1.2)."""
    return _qemu_size(footer, by_size_field=footer.creator_application not in _GEOMETRY_FIELD_10)


def _qemu_size(footer: Footer, *, by_size_field: bool) -> int:
    if by_size_field or footer.geometry == GEOMETRY_MAX:
        return footer.current_size // SECTOR_BYTES * SECTOR_BYTES
    cylinders, heads, per_track = footer.geometry
    return cylinders * heads * per_track * SECTOR_BYTES


def is_stale_footer(sector: bytes, offset: int, unique_id: UUID) -> bool:
    """Is this sector at `offset` inside the disk an old footer of the same disk?

    Only a valid footer of a disk that ended exactly here, with the real footer's unique id, is one;
    any other `conectix` sector is the guest's data (issue 2, item 5).
    """
    if offset == 0 or not sector.startswith(COOKIE):
        return False
    found = parse_footer(sector)
    return (
        found is not None
        and found.checksum_is_right
        and found.disk_type == TYPE_FIXED
        and found.current_size == offset
        and found.unique_id == unique_id
    )
