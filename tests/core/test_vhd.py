"""The fixed-VHD footer: known bytes, known geometries, every field that may be wrong."""

import struct

import pytest

from engine.errors import FooterError
from engine.units import MIB
from engine.vhd import Footer, build_footer, checksum, disk_bytes, geometry, parse_footer

AZURE_EXPORT = bytes.fromhex(
    "636f6e6563746978 00000002 00010000 ffffffffffffffff 2ec79b96 77610000 00070000 5769326b"
    "0000000140000000 0000000140000000 28a2103f 00000002 ffffe747"
    "8c54df94bd35714c945fe5444453921a 00000000"
) + bytes(424)
GIB = 1024 * MIB


def test_reads_the_footer_of_a_real_azure_export() -> None:
    footer = parse_footer(AZURE_EXPORT, 5 * GIB + 512)
    assert footer.size_bytes == 5 * GIB
    assert footer.unique_id.hex() == "8c54df94bd35714c945fe5444453921a"
    assert checksum(AZURE_EXPORT) == 0xFFFFE747


def test_builds_the_same_bytes_but_for_its_creator_fields() -> None:
    found = parse_footer(AZURE_EXPORT, 5 * GIB + 512)
    built = bytearray(build_footer(found))
    assert built[28:36] == b"win \x00\x0a\x00\x00"
    assert parse_footer(bytes(built), 5 * GIB + 512) == found
    built[28:36], built[64:68] = AZURE_EXPORT[28:36], AZURE_EXPORT[64:68]
    assert bytes(built) == AZURE_EXPORT


@pytest.mark.parametrize(
    ("mib", "expected"),
    [
        (1, (30, 4, 17)),
        (20, (602, 4, 17)),
        (64, (963, 8, 17)),
        (100, (1003, 12, 17)),
        (1024, (2080, 16, 63)),
        (5 * 1024, (10402, 16, 63)),
        (32 * 1024, (16448, 16, 255)),
        (100 * 1024, (51400, 16, 255)),
        (127 * 1024, (65278, 16, 255)),
        (127 * 1024 + 512, (65535, 16, 255)),
        (4096 * 1024, (65535, 16, 255)),
    ],
)
def test_geometry_is_the_specifications(mib: int, expected: tuple[int, int, int]) -> None:
    assert geometry(mib * MIB) == expected


@pytest.mark.parametrize("size", [0, -MIB, MIB + 512, 8 * 1024 * 1024 * MIB])
def test_refuses_to_build_for_an_impossible_size(size: int) -> None:
    with pytest.raises(FooterError, match="no fixed VHD"):
        build_footer(Footer(size, 0, bytes(16)))


def test_a_disk_is_whole_mib() -> None:
    assert [disk_bytes(n) for n in (512, MIB, MIB + 512)] == [MIB, MIB, 2 * MIB]


def changed(offset: int, value: bytes, *, mended: bool = True) -> bytes:
    raw = bytearray(AZURE_EXPORT)
    raw[offset : offset + len(value)] = value
    if mended:
        raw[64:68] = struct.pack(">I", checksum(bytes(raw)))
    return bytes(raw)


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("cookie", changed(0, b"conectiX")),
        ("checksum", changed(70, b"\x01", mended=False)),
        ("features", changed(8, b"\x00\x00\x00\x00")),
        ("format version", changed(12, b"\x00\x02\x00\x00")),
        ("data offset", changed(16, bytes(8))),
        ("original size", changed(40, struct.pack(">Q", GIB))),
        ("disk type", changed(60, struct.pack(">I", 3))),
        ("saved state", changed(84, b"\x01")),
        ("reserved bytes", changed(500, b"\x01")),
        ("current size", changed(40, struct.pack(">QQ", 4 * GIB, 4 * GIB))),
        ("current size", changed(40, struct.pack(">QQ", 5 * GIB + 512, 5 * GIB + 512))),
        ("current size", changed(40, bytes(16))),
        ("512 bytes", AZURE_EXPORT[:511]),
    ],
)
def test_names_the_field_that_is_wrong(field: str, raw: bytes) -> None:
    with pytest.raises(FooterError, match=field):
        parse_footer(raw, 5 * GIB + 512)


def test_any_flipped_bit_is_noticed() -> None:
    for bit in range(512 * 8):
        raw = bytearray(AZURE_EXPORT)
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FooterError):
            parse_footer(bytes(raw), 5 * GIB + 512)
