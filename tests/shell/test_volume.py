"""The local volume: positional I/O, holes, locks, what is refused."""

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import VolumeError
from engine.shell.volume import Volume
from engine.units import PUT_BYTES_MAX

MIB = 1 << 20
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "db.raw"
    with made.open("wb") as file:
        file.truncate(16 * MIB)
    return made


@pytest.fixture
def volume(path: Path) -> Iterator[Volume]:
    opened = Volume(path, "db")
    yield opened
    opened.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def written(volume: Volume, limit: int | None = None) -> dict[int, bytes]:
    """Walk the volume as seeding does; return each run by its offset."""
    runs: dict[int, bytes] = {}
    at, end = 0, limit or volume.size_bytes
    while at < end:
        part = volume.read_written(at, end)
        assert at < part.next_offset <= end
        assert sum(length for _, length, _ in part.runs) <= PUT_BYTES_MAX
        for offset, length, data in part.runs:
            assert at <= offset
            assert offset + length <= part.next_offset
            assert len(data) == length
            runs[offset] = data
        at = part.next_offset
    return runs


def image(runs: dict[int, bytes], size: int) -> bytes:
    made = bytearray(size)
    for offset, data in runs.items():
        made[offset : offset + len(data)] = data
    return bytes(made)


def test_what_is_written_is_read(volume: Volume) -> None:
    volume.write(512, b"\x01" * 1024)
    volume.flush()
    assert volume.read(0, 2048) == bytes(512) + b"\x01" * 1024 + bytes(512)


@pytest.mark.parametrize("holes", [True, False])
def test_a_zeroed_range_reads_zero_and_nothing_else_does(
    volume: Volume, *, holes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With holes and without: a file system that cannot punch gets zeros written."""
    if not holes:
        monkeypatch.setattr(volume, "_fallocate", lambda *_: -1)
    volume.write(0, b"\x07" * MIB)
    blocks = volume.path.stat().st_blocks
    volume.zero(512 * 5, 600 * 1024)
    assert volume.read(0, MIB) == (
        b"\x07" * 2560 + bytes(600 * 1024) + b"\x07" * (MIB - 2560 - 600 * 1024)
    )
    assert volume.size_bytes == volume.path.stat().st_size
    assert (volume.path.stat().st_blocks < blocks) == holes


def test_an_empty_volume_has_nothing_written(volume: Volume) -> None:
    part = volume.read_written(0, volume.size_bytes)
    assert part.runs == ()
    assert part.next_offset == volume.size_bytes


def test_one_step_reads_at_most_one_request_of_data(volume: Volume) -> None:
    content = random.Random(1).randbytes(9 * MIB)
    volume.write(0, content)
    part = volume.read_written(0, volume.size_bytes)
    assert part.next_offset == PUT_BYTES_MAX
    assert image(written(volume), volume.size_bytes) == content + bytes(7 * MIB)


def test_the_walk_stops_at_its_limit(volume: Volume) -> None:
    volume.write(0, b"\x01" * (2 * MIB))
    runs = written(volume, limit=MIB)
    assert sum(map(len, runs.values())) == MIB


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 16 * MIB // PAGE - 1), st.integers(0, 400), st.booleans())
    ),
    device=st.booleans(),
)
def test_the_walk_finds_everything_and_invents_nothing(
    volume: Volume, steps: list[tuple[int, int, bool]], *, device: bool
) -> None:
    """On files with holes, and on devices, which tell none."""
    volume._has_holes = not device
    volume.zero(0, volume.size_bytes)
    for page, pages, zero in steps:
        length = min((pages + 1) * PAGE, volume.size_bytes - page * PAGE)
        if zero:
            volume.zero(page * PAGE, length)
        else:
            volume.write(page * PAGE, bytes([page % 255 + 1]) * length)
    assert image(written(volume), volume.size_bytes) == volume.read(0, volume.size_bytes)


def test_a_device_without_holes_still_skips_its_zeros(volume: Volume) -> None:
    volume._has_holes = False
    volume.write(8 * MIB, b"\x01" * 512)
    runs = written(volume)
    assert list(runs) == [8 * MIB]
    assert len(runs[8 * MIB]) <= 256 * 1024


def test_many_small_islands_are_read_in_several_steps(volume: Volume) -> None:
    for island in range(200):
        volume.write(island * 16 * PAGE, b"\x05" * PAGE)
    runs = written(volume)
    assert len(runs) == 200


def test_a_volume_cut_short_by_somebody_is_an_error_not_zeros(volume: Volume) -> None:
    os.truncate(volume.path, MIB)
    with pytest.raises(OSError, match="another program truncated it") as caught:
        volume.read(MIB - 512, 1024)
    assert caught.value.errno == errno.EIO


def test_a_second_opener_is_refused_until_the_first_has_closed(path: Path) -> None:
    first = Volume(path, "db")
    with pytest.raises(VolumeError, match="in use by another engine process"):
        Volume(path, "db")
    first.close()
    Volume(path, "db").close()


def test_a_refused_volume_leaves_no_descriptor_behind(path: Path) -> None:
    held = Volume(path, "db")
    before = open_descriptors()
    for _ in range(5):
        with pytest.raises(VolumeError):
            Volume(path, "db")
    os.truncate(path, 1000)
    held.close()
    for _ in range(5):
        with pytest.raises(VolumeError, match="has 1000 bytes"):
            Volume(path, "db")
    assert open_descriptors() < before


def test_what_is_no_file_and_no_device_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VolumeError, match="neither a file nor a block device"):
        Volume(tmp_path / "pipe", "db")
    with pytest.raises(VolumeError, match="Is a directory"):
        Volume(tmp_path, "db")
    with pytest.raises(VolumeError, match="No such file"):
        Volume(tmp_path / "nothing", "db")


def test_the_fingerprint_changes_when_somebody_writes(path: Path) -> None:
    first = Volume(path, "db")
    mark = first.fingerprint()
    assert first.fingerprint() == mark
    first.close()
    os.utime(path, ns=(1, 1))
    second = Volume(path, "db")
    assert second.fingerprint() != mark
    second.close()


def test_the_fingerprint_of_a_device_is_what_the_kernel_counted(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines as a loop device's stat file has them, before and after one write and one discard."""
    volume._has_holes = False
    device = path_of_device(volume, tmp_path)
    boot = tmp_path / "boot"
    boot.write_text("b1\n")
    monkeypatch.setattr("engine.shell.volume._DEVICES", tmp_path)
    monkeypatch.setattr("engine.shell.volume._BOOT", boot)
    device.write_text("71 0 137530 141 1 3 32 0 0 100 142 0 0 0 0 0 0\n")
    first = volume.fingerprint()
    assert volume.fingerprint() == first
    device.write_text("99 0 200000 151 1 3 32 0 0 120 172 0 0 0 0 7 9\n")
    assert volume.fingerprint() == first, "reads and flushes change nothing"
    device.write_text("71 0 137530 141 2 3 40 0 0 100 142 0 0 0 0 0 0\n")
    written = volume.fingerprint()
    device.write_text("71 0 137530 141 1 3 32 0 0 100 142 1 0 8 0 0 0\n")
    discarded = volume.fingerprint()
    boot.write_text("b2\n")
    assert len({first, written, discarded, volume.fingerprint()}) == 4
    device.unlink()
    assert volume.fingerprint() == ""


def path_of_device(volume: Volume, folder: Path) -> Path:
    """Make the folder in which the kernel would tell of the device."""
    number = os.fstat(volume._fd).st_rdev
    place = folder / f"{os.major(number)}:{os.minor(number)}"
    place.mkdir()
    return place / "stat"


def test_a_file_takes_a_new_size_and_grown_space_reads_zero(path: Path, volume: Volume) -> None:
    volume.write(0, b"\x11" * PAGE)
    volume.write(15 * MIB, b"\x22" * MIB)
    assert volume.may_have(MIB)
    volume.resize(2 * MIB)
    assert (volume.size_bytes, path.stat().st_size) == (2 * MIB, 2 * MIB)
    volume.resize(32 * MIB)
    assert volume.size_bytes == 32 * MIB
    assert image(written(volume), 32 * MIB) == b"\x11" * PAGE + bytes(32 * MIB - PAGE)


def test_a_device_has_the_size_it_has(volume: Volume) -> None:
    volume._has_holes = False
    assert volume.file_number() == 0
    assert volume.may_have(16 * MIB)
    volume.resize(16 * MIB)
    assert not volume.may_have(8 * MIB)
    with pytest.raises(OSError, match="another size") as caught:
        volume.resize(8 * MIB)
    assert caught.value.errno == errno.EINVAL
    assert volume.size_bytes == 16 * MIB


def test_a_replaced_file_has_another_number(path: Path, volume: Volume) -> None:
    copy = path.with_name("copy.raw")
    copy.write_bytes(path.read_bytes())
    other = Volume(copy, "copy")
    assert volume.file_number() not in (0, other.file_number())
    other.close()
