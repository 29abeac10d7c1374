"""Fixtures of the tap's tests: a file-backed tap, and one that holds its answers back."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tap.file_handler import FileHandler
from tests.tap.running import HoldingHandler, RunningTap

SIZE_BYTES = 8 << 20


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Make a volume with known random content in its first MiB; the rest is a hole."""
    path = tmp_path / "volume.raw"
    path.write_bytes(random.Random(7).randbytes(1 << 20))
    with path.open("r+b") as file:
        file.truncate(SIZE_BYTES)
    return path


@pytest.fixture
def handler(volume: Path) -> Iterator[FileHandler]:
    file_handler = FileHandler(volume)
    yield file_handler
    file_handler.close()


@pytest.fixture
def tap(handler: FileHandler, tmp_path: Path) -> Iterator[RunningTap]:
    """Run the file-backed tap on a unix socket."""
    running = RunningTap(handler, f"unix:{tmp_path}/tap.sock")
    yield running
    running.stop()
    assert running.faults == []


@pytest.fixture
def holding() -> HoldingHandler:
    return HoldingHandler(1 << 30)


@pytest.fixture
def holding_tap(holding: HoldingHandler, tmp_path: Path) -> Iterator[RunningTap]:
    """Run a tap whose writes, zeroes and flushes wait for the test."""
    running = RunningTap(holding, f"unix:{tmp_path}/holding.sock")
    yield running
    running.stop()
    assert running.faults == []
