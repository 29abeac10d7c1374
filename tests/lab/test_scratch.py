"""The lab's scratch folder: private, removed, and no neighbour's harmed."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import Inconclusive, UsageError
from harness.lab.scratch import PREFIX, Scratch, require_free_space

ABANDON = """
import os, sys
from harness.lab.scratch import Scratch
print(Scratch().path, flush=True)
os._exit(9)  # as SIGKILL would: nothing is cleaned up
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mpt-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield Path(folder)


def test_it_is_private_and_gone_afterwards() -> None:
    with Scratch() as scratch:
        (scratch.folder("deep/er") / "file").write_text("x")
        assert scratch.path.stat().st_mode & 0o777 == 0o700
    assert not scratch.path.exists()


def test_what_a_killed_lab_left_is_removed_by_the_next(short: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ABANDON], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert left.is_dir()
    assert left.parent == short
    with Scratch():
        assert not left.exists()


def test_a_running_lab_keeps_its_folder() -> None:
    with Scratch() as first, Scratch() as second:
        assert first.path.exists()
        assert second.path.exists()
        assert first.path != second.path


def test_folders_of_others_are_not_touched(short: Path) -> None:
    stranger = short / f"{PREFIX}stranger"
    stranger.mkdir()
    with Scratch():
        assert stranger.exists()


def test_too_little_space_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match="MiB free"):
        require_free_space(tmp_path, 1 << 62)


def test_a_temporary_folder_too_deep_for_sockets_is_told(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = short / ("x" * 80)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(UsageError, match="set TMPDIR to a shorter one"):
        Scratch()
    assert list(deep.iterdir()) == []
