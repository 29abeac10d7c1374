"""Processor priorities of the lab's guests: recoveries go first, primary guests yield.

In the world a recovery has a site of its own; in the lab it shares processors with the primary
sites of other trials, and with whatever else the machine does.

Every guest is a session of its own. Where the kernel groups tasks by session (autogroup, sched(7)),
a nice value counts inside the group only, and the group has one of its own: both are set.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["PRIMARY_GUEST_NICE", "RECOVERY_NICE", "guest_goes_first", "may_go_first", "set_nice"]

RECOVERY_NICE: Final = -10
"""Some ten times the weight of an ordinary process (sched(7))."""

PRIMARY_GUEST_NICE: Final = 5
"""Some three times less than an ordinary process, thirty times less than a recovery."""

WATCH_S: Final = 0.05


def set_nice(pid: int, nice: int) -> bool:
    """Give a session's leader, and what it starts from now on, a nice value; False: not allowed."""
    try:
        os.setpriority(os.PRIO_PGRP, pid, nice)
        with contextlib.suppress(FileNotFoundError):  # a kernel without autogroups
            Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
    except (PermissionError, ProcessLookupError):
        return False
    return True


def may_go_first() -> bool:
    """Whether this process may raise priorities (root or CAP_SYS_NICE)."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(before, RECOVERY_NICE))
    except PermissionError:
        return False
    os.setpriority(os.PRIO_PROCESS, 0, before)
    return True


@contextlib.contextmanager
def guest_goes_first(words: str) -> Iterator[None]:
    """Give priority to the guest that is started meanwhile and whose command line holds `words`.

    A prover starts that guest, which knows nothing of the lab; so the lab looks for it among the
    children of this process.
    """
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(WATCH_S):
            for pid in _children():
                if words in _command_line(pid):
                    set_nice(pid, RECOVERY_NICE)
                    return

    watcher = threading.Thread(target=watch, name="guest-priority", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _children() -> set[int]:
    found: set[int] = set()
    for place in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found.update(int(word) for word in place.read_text(encoding="ascii").split())
    return found


def _command_line(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode("utf-8", "replace")
