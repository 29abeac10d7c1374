"""How a reader's view is judged: any other size, content or refusal than the stored one is bad."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.disk.case import Case
from harness.disk.content import data_extents, read_content
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.local_disk import LocalDisk
from harness.disk.provers.readers import Reader, judge_reader
from harness.disk.ranged_file import RangedFile
from harness.disk.tools import ToolBox
from harness.disk.validator import validate
from harness.errors import Inconclusive
from tests.disk.disks import MIB, footer, noise, write_disk

SIZE = 20 * MIB


def case_of(path: Path) -> Case:
    disk = LocalDisk(path)
    extents = data_extents(disk, SIZE)
    case = Case(
        disk=disk,
        layout=validate(disk),
        extents=extents,
        content=Future(),
        consumers=ALL_CONSUMERS,
        source=None,
        ledger=None,
        tools=ToolBox(),
        scratch=path.parent,
    )
    case.content.set_result(read_content(disk.read, extents, None))
    return case


@contextmanager
def honest(file: RangedFile) -> Iterator[Reader]:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    yield SIZE, read


@contextmanager
def flips_a_bit(file: RangedFile) -> Iterator[Reader]:
    with honest(file) as (size, read):
        yield size, lambda at, length: bytes([read(at, length)[0] ^ 1]) + read(at + 1, length - 1)


@contextmanager
def shows_a_sector_less(file: RangedFile) -> Iterator[Reader]:
    with honest(file) as (size, read):
        yield size - 512, read


@contextmanager
def refuses(file: RangedFile) -> Iterator[Reader]:
    if file.read(8) != b"conectix":
        raise ValueError("not a VHD\nsecond line")
    yield 0, lambda _offset, _length: b""


@contextmanager
def loses_the_exceptions_type(file: RangedFile) -> Iterator[Reader]:
    try:
        file.read(512)
    except Inconclusive as error:
        raise OSError("read failed") from error
    yield SIZE, lambda _offset, length: bytes(length)


@pytest.mark.parametrize(
    ("opener", "verdict", "told"),
    [
        (honest, "good", "same digest"),
        (flips_a_bit, "bad", "other content than is stored"),
        (shows_a_sector_less, "bad", f"shows {SIZE - 512} bytes, the disk has {SIZE}"),
        (refuses, "bad", "refuses the disk: not a VHD"),
    ],
)
def test_a_reader_is_good_only_if_it_sees_what_is_stored(
    tmp_path: Path, opener: object, verdict: str, told: str
) -> None:
    case = case_of(write_disk(tmp_path / "d", SIZE, {MIB: noise(MIB)}))
    opinion = judge_reader(case, "reader 1", opener)  # type: ignore[arg-type]
    case.disk.close()
    assert opinion.verdict == verdict
    assert told in opinion.summary
    assert opinion.raw.startswith("reader 1\n")


def test_without_a_valid_size_an_opening_says_nothing(tmp_path: Path) -> None:
    case = case_of(write_disk(tmp_path / "d", SIZE, last=footer(SIZE - MIB)))
    opinion = judge_reader(case, "reader 1", honest)
    case.disk.close()
    assert opinion.verdict == "not applicable"


def test_a_disk_in_trouble_is_told_even_if_the_reader_hides_it(tmp_path: Path) -> None:
    case = case_of(write_disk(tmp_path / "d", SIZE))
    with (tmp_path / "d").open("r+b") as file:
        file.truncate(0)
    with pytest.raises(Inconclusive, match="changed while it was read"):
        judge_reader(case, "reader 1", loses_the_exceptions_type)
    case.disk.close()
