"""The boot prover: a good disk boots and is right, each kind of damage is told by the guest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.disk.tools import ToolBox
from harness.materialise.boot_code import BootCode, boot_code
from harness.materialise.boot_prover import BootReport, boot
from harness.materialise.rendering import VOLUME, DiskImage
from harness.oracle.pages import PAGE_BYTES, encode_pages
from tests.disk.disks import MIB, footer

pytestmark = pytest.mark.real

SIZE = 2 * MIB
LAST = SIZE // PAGE_BYTES - 1


@pytest.fixture(scope="module")
def code() -> BootCode:
    return boot_code()


def image(pages: dict[int, object], size: int = SIZE, **fields: object) -> DiskImage:
    return DiskImage(size + PAGE_BYTES, {**pages, size // PAGE_BYTES: footer(size, **fields)})


GOOD = image({0: 1 << 40, 1: 3, 2: (1 << 40) + 2, 1029: 41, LAST: 7})


def boot_of(
    code: BootCode,
    folder: Path,
    expected: DiskImage,
    shown: DiskImage | None = None,
    damage: Callable[[bytearray], None] | None = None,
) -> BootReport:
    """Boot the disk `shown`, with `damage` done to its bytes, where `expected` should be."""
    vhd = folder / "disk.vhd"
    (shown or expected).write_vhd(code, vhd)
    if damage is not None:
        data = bytearray(vhd.read_bytes())
        damage(data)
        vhd.write_bytes(data)
    report = boot(vhd, expected, code, folder, ToolBox())
    assert [path.name for path in folder.iterdir()] == ["disk.vhd"], "it cleans up"
    return report


def test_a_good_disk_boots_by_its_own_page_0_and_every_page_is_right(
    code: BootCode, tmp_path: Path
) -> None:
    report = boot_of(code, tmp_path, GOOD)
    assert report.right, report.transcript
    assert report.from_disk
    pages = f"{SIZE // 512:x}"
    assert report.told == f"booted from 0\nsize {pages} expected {pages}\nRIGHT {pages}\n"


def test_a_disk_whose_page_0_is_zeros_is_checked_from_the_checkers_own_disk(
    code: BootCode, tmp_path: Path
) -> None:
    report = boot_of(code, tmp_path, image({5: 9}))
    assert report.right, report.transcript
    assert not report.from_disk


def put(page: int, data: bytes) -> Callable[[bytearray], None]:
    """Damage: other bytes in a page."""

    def damage(disk: bytearray) -> None:
        disk[page * PAGE_BYTES : page * PAGE_BYTES + len(data)] = data

    return damage


def other_write(code: BootCode, page: int, write: int) -> Callable[[bytearray], None]:
    return put(page, image({page: write}).page_bytes(code, page))


def torn(disk: bytearray) -> None:
    """Half of page 1029 is of the write before."""
    older = encode_pages(VOLUME, 40, 1029, 1)
    put(1029, older[:256])(disk)


def one_bit(disk: bytearray) -> None:
    disk[LAST * PAGE_BYTES + 300] ^= 0x10


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda c: other_write(c, 1029, 40),
                     "page 405 expected 29 found 28 of page 405", id="one write older"),
        pytest.param(lambda c: put(1, bytes(512)), "page 1 expected 3 found 0", id="lost"),
        pytest.param(lambda c: other_write(c, 77, 40), "page 4d expected 0 found 28 of page 4d",
                     id="nobody wrote it"),
        pytest.param(lambda c: put(1, encode_pages(VOLUME, 3, 2, 1)),
                     "page 1 expected 3 found 3 of page 2", id="misplaced"),
        pytest.param(lambda c: put(1, encode_pages(VOLUME + 1, 3, 1, 1)),
                     "page 1 expected 3 found torn", id="of another volume"),
        pytest.param(lambda c: torn, "page 405 expected 29 found torn", id="torn"),
        pytest.param(lambda c: one_bit, "page fff expected 7 found torn", id="one bit"),
        pytest.param(lambda c: other_write(c, 0, 12),
                     "page 0 expected 10000000000 found another boot sector, of c", id="page 0"),
    ],
)  # fmt: skip
def test_the_guest_names_the_page_that_is_wrong(
    damage: Callable[[BootCode], Callable[[bytearray], None]],
    told: str,
    code: BootCode,
    tmp_path: Path,
) -> None:
    report = boot_of(code, tmp_path, GOOD, damage=damage(code))
    assert not report.right
    assert told in report.told.splitlines()
    assert report.told.splitlines()[-1] == "WRONG 1"


def test_a_size_that_qemu_takes_from_the_geometry_is_wrong(code: BootCode, tmp_path: Path) -> None:
    shown = image({0: 5}, creator=b"vpc ", cylinders=60, heads=4, sectors=17)
    report = boot_of(code, tmp_path, image({0: 5}), shown)
    assert not report.right
    assert f"size {60 * 4 * 17:x} expected {SIZE // 512:x}" in report.told


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(put(LAST + 1, bytes(512)), "footer", id="no footer"),
        pytest.param(put(LAST + 1, b"conectiX"), "footer", id="a wrong cookie"),
        pytest.param(put(0, bytes(512)), "boot", id="nothing to boot from"),
    ],
)
def test_a_disk_that_cannot_be_booted_is_wrong(
    damage: Callable[[bytearray], None], told: str, code: BootCode, tmp_path: Path
) -> None:
    report = boot_of(code, tmp_path, GOOD, damage=damage)
    assert not report.right
    assert told in report.told or "invalid" in report.told.lower(), report.transcript


def test_equal_images_have_equal_digests_and_others_do_not() -> None:
    again = replace(GOOD, pages=dict(reversed(list(GOOD.pages.items()))))
    assert again.digest() == GOOD.digest()
    assert image({0: 1 << 40, 1: 4}).digest() != image({0: 1 << 40, 1: 3}).digest()
    assert image({}).digest() != image({}, 4 * MIB).digest()
