"""Machine code of the boot prover, compiled from `boot/` with the C compiler that set-up installs.

Two boot sectors and one checker; what they do is told in their sources.
"""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from harness.disk.tools import ToolBox
from harness.errors import Inconclusive

__all__ = ["CHECKER_SECTORS", "SECTOR_BYTES", "BootCode", "boot_code"]

SECTOR_BYTES: Final = 512
CHECKER_SECTORS: Final = 16
"""Room for the checker on its disk; what the boot sectors load."""

_ADDRESS: Final = 0x8000
_BOOT_ADDRESS: Final = 0x7C00
_SOURCES: Final = Path(__file__).parent / "boot"
_COMPILE: Final = (
    "gcc", "-m16", "-march=i486", "-O2", "-Wall", "-Wextra", "-ffreestanding", "-fno-pic",
    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-nostdlib", "-static",
    f"-DCHECKER_SECTORS={CHECKER_SECTORS}", f"-DCHECKER_ADDRESS={_ADDRESS:#x}",
)  # fmt: skip
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class BootCode:
    """`on_disk` goes into page 0 of a disk under proof, `own` and `checker` on the checker's."""

    on_disk: bytes
    own: bytes
    checker: bytes


@cache
def boot_code() -> BootCode:
    """Compile it, once a process. `Inconclusive` where there is no compiler for it."""
    with tempfile.TemporaryDirectory(prefix="mountproof-boot-") as scratch:
        folder = Path(scratch)
        on_disk = _compile(folder, _BOOT_ADDRESS, "sector.S", "-DON_DISK")
        own = _compile(folder, _BOOT_ADDRESS, "sector.S")
        checker = _compile(folder, _ADDRESS, "entry.S", "checker.c")
    room = CHECKER_SECTORS * SECTOR_BYTES
    assert len(on_disk) == len(own) == SECTOR_BYTES, "a boot sector is one sector"
    assert len(checker) <= room, "the checker outgrew its place: raise CHECKER_SECTORS"
    return BootCode(on_disk, own, checker.ljust(room, b"\0"))


def _compile(folder: Path, address: int, *arguments: str) -> bytes:
    target = folder / "code"
    linking = f"-Wl,-m,elf_i386,-Ttext,{address:#x},--oformat,binary,--build-id=none,-e,_start"
    files = [a if a.startswith("-") else str(_SOURCES / a) for a in arguments]
    run = ToolBox().run([*_COMPILE, linking, "-o", str(target), *files], _SECONDS)
    if run.status != 0:
        raise Inconclusive(f"the boot prover cannot be compiled: {run.last_words()}")
    return target.read_bytes()
