"""The footer of a fixed VHD: build, parse and strictly validate 512 bytes; pure functions.

Layout and values: facts.md 1.1. The creator application is `win `, with which every QEMU opens the
disk at `current_size` (facts.md 1.2), and original size equals current size, which libvhdi reports
(facts.md 1.4). Azure demands whole MiB (facts.md 1.6).
"""

import struct
from dataclasses import dataclass

from engine.errors import FooterError
from engine.units import BLOB_BYTES_MAX, FOOTER_BYTES, MIB, PAGE_BYTES, round_up

COOKIE = b"conectix"
CREATOR_APPLICATION = b"win "
CREATOR_VERSION = 0x000A0000
CREATOR_HOST_OS = b"Wi2k"
FEATURES_RESERVED = 0x00000002
FORMAT_VERSION = 0x00010000
NO_DATA_OFFSET = 0xFFFFFFFFFFFFFFFF
DISK_TYPE_FIXED = 2
VHD_EPOCH_UNIX_S = 946_684_800
"""2000-01-01 00:00:00 UTC in Unix seconds."""

_LAYOUT = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427s")
assert _LAYOUT.size == FOOTER_BYTES
_CHECKSUM_AT = 64


@dataclass(frozen=True, slots=True)
class Footer:
    """What a valid footer says: disk size in bytes, creation time in Unix seconds, 16-byte id."""

    size_bytes: int
    created_unix_s: int
    unique_id: bytes


def disk_bytes(volume_bytes: int) -> int:
    """Size of the virtual disk for a volume: rounded up to a whole MiB (protocol.md H25)."""
    return round_up(volume_bytes, MIB)


def geometry(size_bytes: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track of a disk (VHD specification, appendix: CHS)."""
    sectors = min(size_bytes // PAGE_BYTES, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
        tracks = sectors // per_track
    else:
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


def checksum(footer: bytes) -> int:
    """One's complement of the byte sum of the footer with its checksum field zeroed."""
    total = sum(footer) - sum(footer[_CHECKSUM_AT : _CHECKSUM_AT + 4])
    return ~total & 0xFFFFFFFF


def build_footer(footer: Footer) -> bytes:
    """The 512 bytes that end a fixed VHD of this size.

    Raises FooterError if the size is not a positive number of whole MiB below the blob's limit.
    """
    size = footer.size_bytes
    if size <= 0 or size % MIB or size + FOOTER_BYTES > BLOB_BYTES_MAX:
        message = (
            f"no fixed VHD of {size} bytes can be made: a disk is a positive number of whole MiB"
            " and fits a page blob of 8 TiB; round the volume's size with disk_bytes()"
        )
        raise FooterError(message)
    cylinders, heads, per_track = geometry(size)
    body = _LAYOUT.pack(
        COOKIE,
        FEATURES_RESERVED,
        FORMAT_VERSION,
        NO_DATA_OFFSET,
        (footer.created_unix_s - VHD_EPOCH_UNIX_S) & 0xFFFFFFFF,
        CREATOR_APPLICATION,
        CREATOR_VERSION,
        CREATOR_HOST_OS,
        size,
        size,
        cylinders,
        heads,
        per_track,
        DISK_TYPE_FIXED,
        0,
        footer.unique_id,
        0,
        bytes(427),
    )
    return body[:_CHECKSUM_AT] + struct.pack(">I", checksum(body)) + body[_CHECKSUM_AT + 4 :]


def parse_footer(raw: bytes, blob_bytes: int) -> Footer:
    """Read a footer strictly as the last page of a blob of `blob_bytes`.

    Raises FooterError naming the first field that is wrong.
    """
    if len(raw) != FOOTER_BYTES:
        raise FooterError(f"a VHD footer has 512 bytes, this has {len(raw)}")
    fields = _LAYOUT.unpack(raw)
    (cookie, features, version, data_offset, stamp, _, _, _, original, current) = fields[:10]
    disk_type, stored, unique_id, saved_state, reserved = fields[13:]
    _require(cookie == COOKIE, "cookie", "`conectix`", cookie)
    _require(stored == checksum(raw), "checksum", f"{checksum(raw):08x}", f"{stored:08x}")
    _require(disk_type == DISK_TYPE_FIXED, "disk type", "2 (fixed)", disk_type)
    _require(features & ~1 == FEATURES_RESERVED, "features", "2", features)
    _require(version == FORMAT_VERSION, "format version", "00010000", f"{version:08x}")
    _require(data_offset == NO_DATA_OFFSET, "data offset", "all ones", f"{data_offset:016x}")
    _require(original == current, "original size", f"current size {current}", original)
    _require(current % MIB == 0 and current > 0, "current size", "whole MiB", current)
    _require(
        current + FOOTER_BYTES == blob_bytes,
        "current size",
        f"{blob_bytes - FOOTER_BYTES}, the blob less its footer",
        current,
    )
    _require(saved_state == 0, "saved state", "0", saved_state)
    _require(not any(reserved), "reserved bytes", "zeros", "something else")
    return Footer(current, stamp + VHD_EPOCH_UNIX_S, unique_id)


def _require(held: bool, field: str, wanted: str, found: object) -> None:
    if not held:
        raise FooterError(f"not a valid fixed-VHD footer: {field} is {found!r}, must be {wanted}")
