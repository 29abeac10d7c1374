"""A VM boots from the disk and compares every page of it, through the BIOS alone.

QEMU opens the VHD by its vpc driver; SeaBIOS starts the boot sector that the workload's last
write of page 0 left there, this loads the checker from a second disk, and the checker reads the
whole disk under proof and its size by INT 13h. Where page 0 holds no boot sector, the checker's
disk comes first.

What the disk must show is in a table on the checker's disk, made here from the image expected and
never from the disk under proof. Emulated (TCG) on purpose: it starts in 0.1 s on every host.
"""

import json
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.disk.tools import ToolBox, ToolRun
from harness.errors import Inconclusive
from harness.materialise.boot_code import CHECKER_SECTORS, SECTOR_BYTES, BootCode
from harness.materialise.rendering import VOLUME, DiskImage

__all__ = ["BootReport", "boot", "write_checker_disk"]

RIGHT: Final = 33
WRONG: Final = 35
UNREADABLE: Final = 37
"""QEMU's exit status is (what the guest writes << 1) + 1; see boot/checker.c."""

_PLAN: Final = struct.Struct("<8sIIQQ")
_IN_TABLE: Final = 16 * SECTOR_BYTES // 8
"""The checker reads its table 16 sectors at a time."""

_BOOTABLE_BYTES: Final = 1 << 20
"""SeaBIOS boots from no disk of less than one cylinder, 504 KiB."""

_TIMEOUT_S: Final = 60.0
_REPORT_LINE: Final = re.compile(r"^(booted from|size|page|RIGHT|WRONG|unreadable) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BootReport:
    """What the guest told. `from_disk`: page 0 of the disk itself was what the BIOS started."""

    right: bool
    from_disk: bool
    told: str
    seconds: float
    transcript: str


def boot(
    vhd: Path, expected: DiskImage, code: BootCode, scratch: Path, tools: ToolBox
) -> BootReport:
    """Boot `vhd` and have it compared with `expected`. `Inconclusive` if QEMU does not do its part.

    A disk that QEMU refuses, that does not boot, or that shows other pages is not right.
    """
    checker = scratch / f"{vhd.name}.checker"
    write_checker_disk(checker, expected, code)
    bootable = isinstance(expected.pages.get(0), int)
    try:
        run = tools.run(command_line(vhd, checker, from_disk=bootable), _TIMEOUT_S)
    finally:
        checker.unlink()
    told = reported(run)
    from_disk = told.startswith("booted from 0\n")
    if run.status == RIGHT and from_disk != bootable:
        raise Inconclusive("the boot prover's guest did not start from the disk that it was given")
    return BootReport(run.status == RIGHT, from_disk, told, run.seconds, run.transcript())


def write_checker_disk(path: Path, expected: DiskImage, code: BootCode) -> None:
    """Boot sector, checker, plan, page 0 as it must be, and the table of all pages."""
    pages = expected.size_bytes // SECTOR_BYTES
    literal = int(0 in expected.pages)
    table = bytearray(-(-pages // _IN_TABLE) * _IN_TABLE * 8)
    for page in expected.pages:
        if page < pages:
            struct.pack_into("<Q", table, page * 8, _entry(expected, code, page))
    plan = _PLAN.pack(b"MPPLAN01", VOLUME, 0, pages, literal).ljust(SECTOR_BYTES, b"\0")
    first = expected.page_bytes(code, 0)
    assert len(code.own + code.checker) == (1 + CHECKER_SECTORS) * SECTOR_BYTES
    with path.open("wb") as file:
        file.write(code.own + code.checker + plan + first + table)
        file.truncate(max(file.tell(), _BOOTABLE_BYTES))


def _entry(expected: DiskImage, code: BootCode, page: int) -> int:
    """A write's number; of other bytes their CRC-32 with bit 63 set; 0 for zeros."""
    value = expected.pages[page]
    if isinstance(value, int):
        return value
    data = expected.page_bytes(code, page)
    return 1 << 63 | zlib.crc32(data) if any(data) else 0


def command_line(vhd: Path, checker: Path, *, from_disk: bool) -> list[str]:
    """QEMU with both disks, the one to boot from first; it ends where nothing can be booted."""
    nodes = [
        {"node-name": "proved", "driver": "vpc", "read-only": True, **_file(vhd)},
        {"node-name": "checker", "driver": "raw", "read-only": True, **_file(checker)},
    ]
    order = ("proved", "checker") if from_disk else ("checker", "proved")
    arguments = [
        "qemu-system-x86_64",
        *("-machine", "pc", "-accel", "tcg", "-m", "16"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
        *("-no-reboot", "-boot", "reboot-timeout=0"),
        *("-device", "isa-debug-exit"),
    ]
    for node in nodes:
        arguments += ["-blockdev", json.dumps(node)]
    for index, name in enumerate(order):
        arguments += ["-device", f"virtio-blk-pci,drive={name},bootindex={index}"]
    return arguments


def reported(run: ToolRun) -> str:
    """The guest's own lines, else QEMU's last words."""
    found = _REPORT_LINE.search(run.stdout)
    if found:
        return run.stdout[found.start() :]
    if run.status == 0:
        return "nothing to boot from: no disk has a boot sector"
    return run.last_words()


def _file(path: Path) -> dict[str, object]:
    return {"file": {"driver": "file", "filename": str(path), "locking": "off"}}
