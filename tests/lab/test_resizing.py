"""What is read right after a resize: layout, and zeros behind what the guest may write to."""

from pathlib import Path

import pytest

from harness.disk.source import open_disk
from harness.lab import resizing
from tests.disk.disks import footer

MIB = 1 << 20


@pytest.mark.parametrize(("at", "zero"), [(MIB - 512, True), (MIB, False), (3 * MIB - 1, False)])
def test_a_byte_behind_the_volume_is_seen_and_one_inside_it_is_not(
    tmp_path: Path, at: int, zero: bool
) -> None:
    place = tmp_path / "disk.vhd"
    content = bytearray(3 * MIB)
    content[at] = 7
    place.write_bytes(bytes(content) + footer(3 * MIB))
    disk = open_disk(str(place))
    try:
        assert resizing._is_zero(disk, MIB, 3 * MIB) is zero
    finally:
        disk.close()
