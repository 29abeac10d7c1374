"""The independent footer reader, against vectors that others made."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from harness.disk.footer import (
    GEOMETRY_MAX,
    geometry_of,
    is_stale_footer,
    parse_footer,
    size_in_qemu_7,
    size_in_qemu_10,
)
from tests.disk.disks import MIB, UNIQUE_ID, footer

GIB = 1024 * MIB
AZURE_EXPORT = bytes.fromhex(
    "636f6e6563746978 00000002 00010000 ffffffffffffffff 2ec79b96 77610000 00070000 5769326b"
    "0000000140000000 0000000140000000 28a2103f 00000002 ffffe747"
    "8c54df94bd35714c945fe5444453921a 00000000"
).ljust(512, b"\0")
"""First 88 bytes of a real Azure export (facts.md 1.1), the rest is zero."""


def test_reads_the_footer_of_a_real_azure_export() -> None:
    found = parse_footer(AZURE_EXPORT)
    assert found is not None
    assert found.checksum_is_right
    assert found.current_size == found.original_size == 5 * GIB
    assert found.geometry == geometry_of(5 * GIB) == (10402, 16, 63)
    assert found.creator_application == b"wa\0\0"
    assert size_in_qemu_7(found) == 5_368_430_592
    assert size_in_qemu_10(found) == 5 * GIB


@pytest.mark.parametrize(
    ("size", "geometry"),
    [
        (MIB, (30, 4, 17)),
        (20 * MIB, (602, 4, 17)),
        (64 * MIB, (963, 8, 17)),
        (100 * MIB, (1003, 12, 17)),
        (GIB, (2080, 16, 63)),
        (32 * GIB, (16448, 16, 255)),
        (100 * GIB, (51400, 16, 255)),
        (127 * GIB, (65278, 16, 255)),
        (128 * GIB, GEOMETRY_MAX),
        (4096 * GIB, GEOMETRY_MAX),
    ],
)
def test_geometry_has_the_known_answers(size: int, geometry: tuple[int, int, int]) -> None:
    assert geometry_of(size) == geometry


@pytest.mark.parametrize("creator", [b"win ", b"qem2", b"tap\0", b"vpc ", b"qemu", b"wa\0\0"])
def test_size_rule_is_that_of_the_qemu_installed_here(tmp_path: Path, creator: bytes) -> None:
    cylinders, heads, sectors = geometry_of(100 * MIB)
    raw = footer(100 * MIB, creator=creator, cylinders=cylinders, heads=heads, sectors=sectors)
    image = tmp_path / "disk.vhd"
    image.write_bytes(b"")
    with image.open("wb") as file:
        file.seek(100 * MIB)
        file.write(raw)
    shown = subprocess.run(
        ["qemu-img", "info", "-f", "vpc", "--output=json", str(image)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    version = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True, check=True)
    found = parse_footer(raw)
    assert found is not None
    is_old = int(version.stdout.split()[2].split(".")[0]) < 10
    expected = size_in_qemu_7(found) if is_old else size_in_qemu_10(found)
    assert f'"virtual-size": {expected},' in shown


def test_a_stale_footer_is_an_old_footer_of_this_very_disk() -> None:
    me, other = UUID(bytes=UNIQUE_ID), UUID(int=7)
    old = footer(8 * MIB)
    assert is_stale_footer(old, 8 * MIB, me)
    assert not is_stale_footer(old, 9 * MIB, me), "stands elsewhere: a stored file"
    assert not is_stale_footer(old, 8 * MIB, other), "another disk's: a stored file"
    assert not is_stale_footer(footer(8 * MIB, checksum=1), 8 * MIB, me), "not valid"
    assert not is_stale_footer(footer(8 * MIB, disk_type=3), 8 * MIB, me), "not a fixed disk's"
    assert not is_stale_footer(footer(0), 0, me), "the first sector is always the guest's"


def test_what_has_no_cookie_or_another_length_is_no_footer() -> None:
    assert parse_footer(bytes(512)) is None
    assert parse_footer(footer(MIB)[:511]) is None
    assert parse_footer(b"") is None
