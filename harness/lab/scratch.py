"""The lab's working folder: volumes, sockets and states of a run; gone at its end.

A run holds a lock on its folder. A later run removes the folders whose owner is gone: only a lab
that was killed with SIGKILL leaves one.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from harness.errors import Inconclusive, UsageError

__all__ = ["Scratch", "require_free_space"]

PREFIX: Final = "mplab-"
SOCKET_PATH_MAX: Final = 107
"""unix(7): sun_path has 108 bytes, the last of them zero."""

BELOW_MAX: Final = len(
    "12345678/resize-sync-on-flush-in-shrink-10-again-2/primary/state/control.sock"
)
"""The longest path below the prefix: the random part, a trial, an engine's control socket."""


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """`Inconclusive` unless the file system of `folder` has that many bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise Inconclusive(
            f"{folder} has {free >> 20} MiB free, this run needs {needed_bytes >> 20} MiB for"
            " volumes and the blob service's data; free some space or set TMPDIR to a roomier disk"
        )


class Scratch:
    """A fresh private folder (mode 0700), removed on exit."""

    def __init__(self, needed_bytes: int = 0) -> None:
        parent = Path(tempfile.gettempdir())
        _require_short_path(parent)
        require_free_space(parent, needed_bytes)
        _remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock: TextIO = _lock_of(self.path).open("w", encoding="ascii")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def folder(self, name: str) -> Path:
        """A sub-folder, made if it is not there."""
        place = self.path / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _require_short_path(parent: Path) -> None:
    room = SOCKET_PATH_MAX - len(os.fsencode(parent)) - len(PREFIX) - BELOW_MAX
    if room < 0:
        raise UsageError(
            f"temporary folder {parent}: its path is {-room} bytes too long for the Unix sockets"
            " below it; set TMPDIR to a shorter one"
        )


def _lock_of(folder: Path) -> Path:
    return folder / "owner.lock"


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with _lock_of(folder).open("r+", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # somebody's, or being made right now
