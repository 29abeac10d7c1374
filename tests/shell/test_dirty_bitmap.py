"""The bitmap file: what survives, what is not believed, what it costs."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.settings import REGION_BYTES
from engine.shell import dirty_bitmap
from engine.shell.dirty_bitmap import SECTOR_BYTES, DirtyBitmap

OWN, FOREIGN = b"o" * 32, b"f" * 32
SIZE = 10 * REGION_BYTES
LARGE = 5000 * REGION_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db.dirty"


def opened(path: Path, size: int = SIZE, binding: bytes = OWN) -> DirtyBitmap:
    return DirtyBitmap(path, binding, size)


def trusted(path: Path, *regions: int, size: int = SIZE) -> None:
    """Leave a trusted bitmap with these bits."""
    bitmap = opened(path, size)
    bitmap.trust()
    bitmap.set(regions)
    bitmap.commit()
    bitmap.close()


def read(path: Path, size: int = SIZE, binding: bytes = OWN) -> tuple[tuple[int, ...] | None, str]:
    bitmap = opened(path, size, binding)
    found = bitmap.dirty(), bitmap.fresh
    bitmap.close()
    return found


def test_a_new_bitmap_knows_nothing_until_it_is_trusted(path: Path) -> None:
    assert read(path) == (None, "there is none")
    assert read(path) == (None, "")
    trusted(path)
    assert read(path) == ((), "")


def test_committed_bits_are_found_again(path: Path) -> None:
    trusted(path, 0, 7, 8, 9)
    assert read(path) == ((0, 7, 8, 9), "")
    bitmap = opened(path)
    bitmap.clear([7, 8])
    bitmap.commit()
    bitmap.set([1])
    bitmap.close()
    assert read(path) == ((0, 9), "")


def test_bits_that_nobody_trusts_are_void(path: Path) -> None:
    bitmap = opened(path)
    bitmap.set([3])
    bitmap.commit()
    bitmap.close()
    assert read(path) == (None, "")
    trusted(path)
    assert read(path) == ((), "")


def test_a_bitmap_with_every_bit_set_is_true_whatever_was_known(path: Path) -> None:
    bitmap = opened(path)
    bitmap.set(range(9))
    assert bitmap.dirty() is None
    bitmap.set([9])
    bitmap.commit()
    bitmap.clear([0])
    bitmap.commit()
    bitmap.close()
    assert read(path) == (tuple(range(1, 10)), "")


def test_distrust_is_for_good_and_forgets(path: Path) -> None:
    trusted(path, 2)
    bitmap = opened(path)
    bitmap.distrust()
    bitmap.commit()
    bitmap.close()
    assert read(path) == (None, "")
    trusted(path, 4)
    assert read(path) == ((4,), "")


def test_a_bitmap_of_another_volume_is_not_believed(path: Path) -> None:
    trusted(path, 1)
    assert read(path, binding=FOREIGN) == (None, "it is of another volume or blob")
    assert read(path) == (None, "it is of another volume or blob")


@pytest.mark.parametrize("at", [0, 9, 40, SECTOR_BYTES - 1, SECTOR_BYTES, 2 * SECTOR_BYTES - 2])
def test_a_damaged_byte_is_noticed(path: Path, at: int) -> None:
    trusted(path, 1)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x10
    path.write_bytes(raw)
    assert read(path) == (None, "it is damaged")


@pytest.mark.parametrize("length", [0, 1, SECTOR_BYTES, SECTOR_BYTES + 100])
def test_a_file_that_was_cut_is_noticed(path: Path, length: int) -> None:
    trusted(path, 1)
    path.write_bytes(path.read_bytes()[:length])
    assert read(path) == (None, "it is damaged")


def test_another_version_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirty_bitmap, "_VERSION", 2)
    trusted(path, 1)
    monkeypatch.undo()
    assert read(path) == (None, "it is of another version")


def test_space_that_the_volume_gained_while_no_engine_ran_may_hold_anything(path: Path) -> None:
    size = SIZE - 512
    trusted(path, 0, size=size)
    assert read(path, size=SIZE + 1024) == ((0, 9, 10), "")
    trusted(path, size=SIZE + 1024)
    assert read(path, size=LARGE)[0] == (0, 9, *range(10, 5000))


def test_space_that_the_volume_lost_has_no_bits(path: Path) -> None:
    trusted(path, 2, 8, 9)
    assert read(path, size=5 * REGION_BYTES) == ((2,), "")
    assert read(path, size=5 * REGION_BYTES) == ((2,), "")


def test_a_resize_keeps_bits_and_makes_room(path: Path) -> None:
    trusted(path, 3)
    bitmap = opened(path)
    bitmap.resize(LARGE)
    bitmap.set([4999])
    bitmap.commit()
    bitmap.close()
    assert path.stat().st_size == 3 * SECTOR_BYTES
    assert read(path, LARGE) == ((3, 4999), "")
    bitmap = opened(path, LARGE)
    bitmap.resize(SIZE)
    bitmap.commit()
    bitmap.resize(LARGE)
    bitmap.commit()
    bitmap.close()
    assert read(path, LARGE) == ((3,), "")


def test_a_region_past_the_end_has_no_bit(path: Path) -> None:
    bitmap = opened(path)
    bitmap.trust()
    bitmap.set([10**9])
    bitmap.clear([10**9])
    assert bitmap.dirty() == ()
    bitmap.close()


def test_a_change_writes_the_one_sector_that_it_touches(path: Path) -> None:
    size = 20_000 * REGION_BYTES
    trusted(path, size=size)
    before = path.read_bytes()
    bitmap = opened(path, size)
    bitmap.set([9000, 9001])
    bitmap.commit()
    written = [
        at
        for at in range(0, len(before), SECTOR_BYTES)
        if path.read_bytes()[at : at + SECTOR_BYTES] != before[at : at + SECTOR_BYTES]
    ]
    assert written == [3 * SECTOR_BYTES]
    bitmap.set([9000])
    assert not bitmap._stale
    bitmap.close()
    assert len(before) == 6 * SECTOR_BYTES


def test_what_could_not_be_written_is_written_by_the_next_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(path)
    bitmap = opened(path)
    bitmap.set([5])

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(OSError, match="broken"):
        bitmap.commit()
    monkeypatch.undo()
    bitmap.commit()
    bitmap.close()
    assert read(path) == ((5,), "")


def test_a_disk_that_takes_no_small_blocks_is_written_through_the_cache(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(path)
    bitmap = opened(path)
    if not bitmap._direct:  # a file system without direct writes was told at the opening
        bitmap.set([6])
        bitmap.commit()
        bitmap.close()
        assert read(path) == ((6,), "")
        return
    real, calls = os.pwrite, []

    def picky(fd: int, data: bytes, offset: int) -> int:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(errno.EINVAL, "4096 only")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", picky)
    bitmap.set([6])
    bitmap.commit()
    assert getattr(bitmap, "_direct") is False  # noqa: B009 it changed: mypy believes it cannot
    monkeypatch.undo()
    bitmap.close()
    assert read(path) == ((6,), "")


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sets(st.integers(0, 4999), max_size=8)), max_size=12
    ),
    commits=st.integers(0, 12),
)
def test_the_file_says_what_was_set_up_to_the_last_commit(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[bool, set[int]]],
    commits: int,
) -> None:
    path = tmp_path_factory.mktemp("bits") / "db.dirty"
    bitmap = opened(path, LARGE)
    bitmap.trust()
    bitmap.commit()
    expected: set[int] = set()
    for number, (dirty, regions) in enumerate(steps):
        if dirty:
            bitmap.set(regions)
        else:
            bitmap.clear(regions)
        if number < commits:
            bitmap.commit()
            expected = expected | regions if dirty else expected - regions
    bitmap.close()
    assert read(path, LARGE) == (tuple(sorted(expected)), "")
