"""Reading a disk's data: only where there is any, and every stale footer in it."""

import errno
import hashlib
import itertools
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk.content import CHUNK_BYTES, data_extents, pieces, read_content
from harness.disk.footer import parse_footer
from harness.disk.local_disk import LocalDisk
from harness.disk.ranged_file import RangedFile
from harness.disk.source import READ_BYTES_MAX, Extent, clip, merge, shown_url
from harness.errors import Inconclusive, UsageError
from tests.disk.disks import MIB, UNIQUE_ID, footer, noise, write_disk

SIZE = 24 * MIB


def stale_in(path: Path, lengths: list[int] | None = None) -> tuple[int, ...]:
    """Offsets of stale footers; the lengths of all reads are noted, if asked for."""
    disk = LocalDisk(path)

    def read(offset: int, length: int) -> bytes:
        if lengths is not None:
            lengths.append(length)
        return disk.read(offset, length)

    found = parse_footer(disk.read(disk.length - 512, 512))
    assert found is not None
    extents = data_extents(disk, found.current_size)
    stale = read_content(read, extents, found).stale_footers
    disk.close()
    return stale


def test_finds_a_stale_footer_and_only_that(tmp_path: Path) -> None:
    data = {
        8 * MIB: footer(8 * MIB),  # the old end, not cleared after a grow
        9 * MIB: footer(8 * MIB),  # a copy elsewhere: guest data
        10 * MIB: footer(10 * MIB, unique_id=UNIQUE_ID[::-1]),  # a VHD file stored in the volume
        11 * MIB + 512: footer(11 * MIB + 512),  # not at a whole MiB
        12 * MIB: b"conectix" + noise(504),
    }
    assert stale_in(write_disk(tmp_path / "d", SIZE, data)) == (8 * MIB,)


def test_finds_it_inside_a_long_run_of_data(tmp_path: Path) -> None:
    data = bytearray(noise(12 * MIB))
    data[7 * MIB : 7 * MIB + 512] = footer(7 * MIB)
    assert stale_in(write_disk(tmp_path / "d", SIZE, {0: bytes(data)})) == (7 * MIB,)


def test_a_sparse_100_gib_disk_costs_its_data_only(tmp_path: Path) -> None:
    size = 100 * 1024 * MIB
    data = {64 * 1024 * MIB: noise(MIB), 70 * 1024 * MIB: footer(70 * 1024 * MIB)}
    lengths: list[int] = []
    assert stale_in(write_disk(tmp_path / "d", size, data), lengths) == (70 * 1024 * MIB,)
    assert sum(lengths) <= 2 * MIB


def test_one_other_bit_anywhere_changes_the_digest(tmp_path: Path) -> None:
    digests = set()
    for flip in (0, 1, 4 * MIB, 8 * MIB - 1):
        data = bytearray(noise(8 * MIB))
        data[flip] ^= flip and 1
        disk = LocalDisk(write_disk(tmp_path / "d", SIZE, {MIB: bytes(data)}))
        digests.add(read_content(disk.read, data_extents(disk, SIZE), None).digest)
        disk.close()
    assert len(digests) == 4


def test_the_digest_does_not_depend_on_how_extents_are_listed(tmp_path: Path) -> None:
    disk = LocalDisk(write_disk(tmp_path / "d", SIZE, {5 * MIB + 512: noise(300)}))
    listed = read_content(disk.read, data_extents(disk, SIZE), None)
    whole = read_content(disk.read, [Extent(0, SIZE)], None)
    assert listed == whole
    assert listed.data_bytes == CHUNK_BYTES
    chunk = bytes(512) + noise(300) + bytes(CHUNK_BYTES - 812)
    expected = struct.pack("<QQ", 5 * MIB, CHUNK_BYTES) + chunk
    assert listed.digest == hashlib.sha256(expected).hexdigest()
    disk.close()


def test_pieces_cover_an_extent_once_and_in_order() -> None:
    extent = Extent(3 * MIB + 512, 9 * MIB)
    seen = list(pieces(lambda _offset, length: bytes(length), extent))
    assert seen[0][0] == extent.offset
    assert all(a + len(d) == b for (a, d), (b, _) in itertools.pairwise(seen))
    assert seen[-1][0] + len(seen[-1][1]) == extent.end
    assert max(len(data) for _, data in seen) <= READ_BYTES_MAX


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9))), st.integers(0, 5))
def test_merged_extents_hold_the_same_bytes_and_no_small_gaps(
    spans: list[tuple[int, int]], gap: int
) -> None:
    extents = [Extent(*span) for span in spans]
    merged = merge(extents, gap)
    covered = {at for e in merged for at in range(e.offset, e.end)}
    assert covered >= {at for e in extents for at in range(e.offset, e.end)}
    assert all(b.offset - a.end > gap for a, b in itertools.pairwise(merged))
    assert covered >= {at for e in clip(merged, 30) for at in range(e.offset, e.end)}
    assert all(e.end <= 30 for e in clip(merged, 30))


def test_a_ranged_file_reads_like_a_file(tmp_path: Path) -> None:
    path = write_disk(tmp_path / "d", 3 * MIB, {0: noise(3 * MIB)})
    disk = LocalDisk(path)
    file = RangedFile(disk)
    with path.open("rb") as real:
        for offset, whence, size in [(0, 0, 10), (MIB - 5, 0, 10), (-512, 2, -1), (0, 0, 2 * MIB)]:
            assert file.seek(offset, whence) == real.seek(offset, whence)
            assert file.read(size) == real.read(size)
            assert file.tell() == real.tell()
    assert file.read(10) == noise(3 * MIB)[2 * MIB :][:10]
    with pytest.raises(ValueError, match="before the start"):
        file.seek(-1)
    disk.close()


def test_a_file_that_shrinks_while_it_is_read_is_inconclusive(tmp_path: Path) -> None:
    path = write_disk(tmp_path / "d", SIZE)
    disk = LocalDisk(path)
    with path.open("r+b") as file:
        file.truncate(MIB)
    with pytest.raises(Inconclusive, match="changed while it was read"):
        disk.read(2 * MIB, 512)
    with pytest.raises(Inconclusive, match="changed under the proof"):
        disk.check_unchanged()
    disk.close()


def test_where_holes_cannot_be_asked_for_all_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = LocalDisk(write_disk(tmp_path / "d", SIZE))
    assert disk.extents()[0].offset == SIZE, "a hole before the footer"
    seek = os.lseek

    def seek_on_a_device(descriptor: int, offset: int, whence: int) -> int:
        if whence in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(errno.EINVAL, "Invalid argument")
        return seek(descriptor, offset, whence)

    monkeypatch.setattr(os, "lseek", seek_on_a_device)
    assert disk.extents() == [Extent(0, SIZE + 512)]
    disk.close()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        LocalDisk(tmp_path / "nothing")
    with pytest.raises(UsageError, match="neither a file nor a block device"):
        LocalDisk(tmp_path)


def test_a_shown_url_tells_no_secret() -> None:
    shown = shown_url("https://user:word@example.test:444/c/b.vhd?sp=r&sig=abc%3D")
    assert shown == "https://example.test:444/c/b.vhd?..."
