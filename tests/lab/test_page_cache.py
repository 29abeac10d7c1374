"""What a lab relies on when it reads who wrote how much from /proc/PID/io."""

import os
import resource
from pathlib import Path

from harness.lab.page_cache import KERNEL_PAGE, held_in_small_pages

SIZE_BYTES = 1 << 20


def pages_dirtied() -> int:
    """Bytes of pages that this process made dirty so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def make_allocated(path: Path) -> Path:
    with path.open("wb") as file:
        file.write(bytes(SIZE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return path


def test_a_write_of_a_sector_counts_one_small_page_and_nothing_else(tmp_path: Path) -> None:
    path = make_allocated(tmp_path / "volume")
    with held_in_small_pages(path, SIZE_BYTES), path.open("r+b", buffering=0) as volume:
        before = pages_dirtied()
        for offset in (0, SIZE_BYTES // 2, SIZE_BYTES - 512):
            os.pwrite(volume.fileno(), b"x" * 512, offset)
        assert pages_dirtied() - before == 3 * KERNEL_PAGE


def test_it_says_whether_the_pages_are_locked_and_changes_nothing(tmp_path: Path) -> None:
    path = make_allocated(tmp_path / "volume")
    with held_in_small_pages(path, SIZE_BYTES) as locked:
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        assert locked == (os.geteuid() == 0 or soft >= SIZE_BYTES)
    assert path.read_bytes() == bytes(SIZE_BYTES)
