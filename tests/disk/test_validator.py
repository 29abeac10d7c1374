"""The strict validator: each defect by its own name, for the consumers it matters to."""

from pathlib import Path

import pytest

from harness.disk.findings import ALL_CONSUMERS, Consumer, Severity
from harness.disk.footer import geometry_of
from harness.disk.local_disk import LocalDisk
from harness.disk.validator import Layout, validate
from tests.disk.disks import MIB, footer, write_disk

SIZE = 20 * MIB
AZURE, QEMU = frozenset({Consumer.AZURE}), frozenset({Consumer.QEMU})


def look(path: Path) -> Layout:
    disk = LocalDisk(path)
    try:
        return validate(disk)
    finally:
        disk.close()


def codes(layout: Layout) -> dict[str, frozenset[Consumer]]:
    return {f.code: f.consumers for f in layout.findings if f.severity is Severity.BAD}


def test_a_good_disk_has_no_finding(tmp_path: Path) -> None:
    layout = look(write_disk(tmp_path / "d", SIZE))
    assert layout.findings == ()
    assert layout.size_bytes == SIZE


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"checksum": 0x1234}, "checksum"),
        ({"disk_type": 3}, "dynamic"),
        ({"disk_type": 4}, "dynamic"),
        ({"disk_type": 0}, "disk-type"),
        ({"current_size": 2 * SIZE, "original_size": 2 * SIZE}, "truncated"),
        ({"current_size": SIZE - MIB, "original_size": SIZE - MIB}, "length"),
        ({"original_size": SIZE // 2}, "original-size"),
        ({"data_offset": 0}, "data-offset"),
        ({"data_offset": 0xFFFFFFFF}, "data-offset"),
        ({"version": 0x20000}, "version"),
        ({"features": 0}, "features"),
        ({"features": 6}, "features"),
        ({"saved_state": 1}, "saved-state"),
        ({"reserved": b"\1".ljust(427, b"\0")}, "reserved"),
        ({"current_size": 0, "original_size": 0}, "empty"),
    ],
)
def test_each_damaged_field_is_bad_for_all(
    tmp_path: Path, fields: dict[str, object], code: str
) -> None:
    layout = look(write_disk(tmp_path / "d", SIZE, last=footer(SIZE, **fields)))
    assert codes(layout)[code] == ALL_CONSUMERS


def test_a_size_of_no_whole_mib_is_bad_for_azure_alone(tmp_path: Path) -> None:
    assert codes(look(write_disk(tmp_path / "d", SIZE + 512))) == {"not-whole-mib": AZURE}


def test_under_20_mib_is_a_warning(tmp_path: Path) -> None:
    layout = look(write_disk(tmp_path / "d", 19 * MIB))
    assert [(f.code, f.severity) for f in layout.findings] == [("small", Severity.WARNING)]


@pytest.mark.parametrize("creator", [b"wa\0\0", b"qemu", b"vpc ", b"vs  "])
def test_a_size_that_some_qemu_gets_wrong_is_bad_for_qemu(tmp_path: Path, creator: bytes) -> None:
    cylinders, heads, sectors = geometry_of(SIZE)
    last = footer(SIZE, creator=creator, cylinders=cylinders, heads=heads, sectors=sectors)
    layout = look(write_disk(tmp_path / "d", SIZE, last=last))
    assert codes(layout) == {"qemu-size": QEMU}
    assert layout.is_bad_for(QEMU)
    assert not layout.is_bad_for(AZURE)


def test_over_2040_gib_is_bad_for_qemu(tmp_path: Path) -> None:
    layout = look(write_disk(tmp_path / "d", 2041 * 1024 * MIB))
    assert codes(layout) == {"over-2040-gib": QEMU}


def test_a_geometry_that_is_not_the_sizes_is_a_warning(tmp_path: Path) -> None:
    last = footer(SIZE, cylinders=1, heads=4, sectors=17)
    layout = look(write_disk(tmp_path / "d", SIZE, last=last))
    assert [(f.code, f.severity) for f in layout.findings] == [("geometry", Severity.WARNING)]


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "truncated", "cannot hold"),
        (bytes(511), "truncated", "cannot hold"),
        (bytes(MIB), "no-footer", "destroyed"),
        (b"vhdxfile".ljust(MIB, b"\0"), "other-format", "VHDX"),
        (b"QFI\xfb".ljust(MIB, b"\0"), "other-format", "qcow2"),
        (b"KDMV".ljust(MIB, b"\0"), "other-format", "VMDK"),
        (footer(MIB, disk_type=3).ljust(MIB, b"\0"), "dynamic", "cut off"),
        (footer(MIB, disk_type=4).ljust(MIB, b"\0"), "dynamic", "differencing"),
        (bytes(MIB) + footer(MIB) + bytes(512), "footer-displaced", "must be the last"),
    ],
)
def test_what_has_no_footer_at_its_end_is_named(
    tmp_path: Path, content: bytes, code: str, word: str
) -> None:
    (tmp_path / "d").write_bytes(content)
    layout = look(tmp_path / "d")
    assert codes(layout) == {code: ALL_CONSUMERS}
    assert word in layout.findings[0].sentence
    assert layout.size_bytes is None


def test_a_cookie_in_the_first_sector_is_legal_data(tmp_path: Path) -> None:
    layout = look(write_disk(tmp_path / "d", SIZE, {0: footer(SIZE, disk_type=3)}))
    assert [(f.code, f.severity) for f in layout.findings] == [
        ("cookie-in-first-sector", Severity.WARNING)
    ]
    assert layout.first_sector_is_cookie
