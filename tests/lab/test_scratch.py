"""The lab's scratch folder: private, removed, and no neighbour's harmed."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import Inconclusive
from harness.lab.scratch import PREFIX, Scratch, require_free_space

ABANDON = """
import os, sys
from harness.lab.scratch import Scratch
print(Scratch().path, flush=True)
os._exit(9)  # as SIGKILL would: nothing is cleaned up
"""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_it_is_private_and_gone_afterwards() -> None:
    with Scratch() as scratch:
        (scratch.folder("deep/er") / "file").write_text("x")
        assert scratch.path.stat().st_mode & 0o777 == 0o700
    assert not scratch.path.exists()


def test_what_a_killed_lab_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ABANDON], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert left.is_dir()
    assert left.parent == tmp_path
    with Scratch():
        assert not left.exists()


def test_a_running_lab_keeps_its_folder() -> None:
    with Scratch() as first, Scratch() as second:
        assert first.path.exists()
        assert second.path.exists()
        assert first.path != second.path


def test_folders_of_others_are_not_touched(tmp_path: Path) -> None:
    stranger = tmp_path / f"{PREFIX}stranger"
    stranger.mkdir()
    with Scratch():
        assert stranger.exists()


def test_too_little_space_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match="MiB free"):
        require_free_space(tmp_path, 1 << 62)
